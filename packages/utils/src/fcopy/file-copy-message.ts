import {
  FILE_COPY_DATA_FRAGMENT,
  FILE_COPY_MAX_PATH,
  FileCopyFlag,
  FileCopyOperation,
  fileCopyHeader,
  fileCopyStart,
  fileCopyWrite,
} from '@bis/hyperv-types/ic'
import { readUtf16z } from '@bis/hyperv-types/struct'
import { FileCopyError } from './errors.ts'
import type { FileCopyStart } from './file-copy-target.ts'

/** Longest name or folder in UTF-8, its NUL not counted: what the daemon's buffers hold. */
export const LONGEST_TEXT_BYTES = FILE_COPY_MAX_PATH - 1

/** A piece of the file, in the request's own bytes. */
export interface FileCopyChunk {
  readonly offset: number
  readonly data: Uint8Array
}

/** @param body of a START, as many bytes as the host says @throws FileCopyError `bad-path`, `bad-order` */
export function readStart(body: Uint8Array): FileCopyStart {
  if (body.length < fileCopyStart.size) throw new FileCopyError('bad-order', `a START of ${body.length} bytes`)
  const view = viewOf(body)
  const size = fileCopyStart.file_size.get(view, 0)
  const flags = fileCopyStart.copy_flags.get(view, 0)
  if (!Number.isSafeInteger(size)) throw new FileCopyError('bad-order', `a file of ${size} bytes`)
  return {
    name: readText(view, fileCopyStart.file_name.offset),
    folder: readText(view, fileCopyStart.path_name.offset),
    size,
    overwrite: (flags & FileCopyFlag.OVERWRITE) !== 0,
    createPath: (flags & FileCopyFlag.CREATE_PATH) !== 0,
  }
}

/** A START as {@link startForDaemon} makes it. @throws FileCopyError `bad-path`, `bad-order` */
export function readDaemonStart(body: Uint8Array): FileCopyStart {
  const { offset: name, size: nameBytes } = fileCopyStart.file_name
  const { offset: folder, size: folderBytes } = fileCopyStart.path_name
  const texts = body.slice()
  // The rest is read as it is; the texts are not UTF-16 here.
  texts.fill(0, name, folder + folderBytes)
  return {
    ...readStart(texts),
    name: readUtf8(body.subarray(name, name + nameBytes)),
    folder: readUtf8(body.subarray(folder, folder + folderBytes)),
  }
}

/** @throws FileCopyError `bad-order` */
export function readChunk(body: Uint8Array): FileCopyChunk {
  const dataOffset = fileCopyWrite.data.offset
  if (body.length < dataOffset) throw new FileCopyError('bad-order', `a WRITE of ${body.length} bytes`)
  const view = viewOf(body)
  const offset = fileCopyWrite.offset_in_file.get(view, 0)
  const length = fileCopyWrite.copied.get(view, 0)
  if (length > FILE_COPY_DATA_FRAGMENT || length > body.length - dataOffset)
    throw new FileCopyError('bad-order', `a WRITE of ${length} bytes in a message of ${body.length}`)
  return { offset, data: body.subarray(dataOffset, dataOffset + length) }
}

/** A START as the daemon reads it: the same bytes, with UTF-8 in place of UTF-16. */
export function startForDaemon(body: Uint8Array, { name, folder }: FileCopyStart): Uint8Array {
  const message = body.slice(0, fileCopyStart.size)
  const encoder = new TextEncoder()
  for (const [text, { offset, size }] of [
    [name, fileCopyStart.file_name],
    [folder, fileCopyStart.path_name],
  ] as const) {
    message.fill(0, offset, offset + size)
    message.set(encoder.encode(text), offset)
  }
  return message
}

/** A WRITE with the header of the START and these bytes. */
export function writeForDaemon(header: Uint8Array, offset: number, data: Uint8Array): Uint8Array {
  const message = new Uint8Array(fileCopyWrite.size)
  const view = viewOf(message)
  message.set(header)
  fileCopyHeader.operation.set(view, 0, FileCopyOperation.WRITE)
  fileCopyWrite.offset_in_file.set(view, 0, offset)
  fileCopyWrite.copied.set(view, 0, data.length)
  message.set(data, fileCopyWrite.data.offset)
  return message
}

export const HEADER_BYTES = fileCopyHeader.size

/** Exactly what stands there, or nothing: a name that is not clear names no file. */
function readText(view: DataView, at: number): string {
  const text = readUtf16z(view, at, FILE_COPY_MAX_PATH * 2)
  if (text.length === FILE_COPY_MAX_PATH)
    throw new FileCopyError('bad-path', `a path of ${text.length} units without an end`)
  if (/\p{Surrogate}/u.test(text)) throw new FileCopyError('bad-path', 'a path with half a surrogate pair')
  const { length } = new TextEncoder().encode(text)
  if (length > LONGEST_TEXT_BYTES)
    throw new FileCopyError('bad-path', `a path of ${length} bytes in UTF-8; ${LONGEST_TEXT_BYTES} is the limit`)
  return text
}

function readUtf8(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(end < 0 ? bytes : bytes.subarray(0, end))
  } catch {
    throw new FileCopyError('bad-path', 'a path that is not UTF-8')
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}
