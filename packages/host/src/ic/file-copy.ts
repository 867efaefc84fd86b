import {
  FILE_COPY_DATA_FRAGMENT,
  FILE_COPY_MAX_PATH,
  FileCopyFlag,
  FileCopyOperation,
  fileCopyHeader,
  fileCopyStart,
  fileCopyWrite,
  IcMessageType,
  IcStatus,
} from '@bis/hyperv-types/ic'
import { NIL_GUID } from '@bis/hyperv-types/struct'
import { InstanceId, InterfaceId } from '@bis/hyperv-types/vmbus'
import { IcError } from './errors.ts'
import type { IcKind, IcOptions } from './integration-component.ts'
import { IntegrationComponent } from './integration-component.ts'

/** What is copied: read piece by piece, in order. */
export interface FileSource {
  /** Bytes. */
  readonly size: number
  /** Fills `target` from `offset` on; rejects when there are not as many bytes. */
  read(offset: number, target: Uint8Array): Promise<void>
}

export interface FileCopyOrder {
  /** Last part of the file's path in the guest; at most 259 UTF-16 units. */
  readonly name: string
  /** The folder in the guest: absolute. */
  readonly folder: string
  readonly source: FileSource
  readonly overwrite?: boolean
  readonly createPath?: boolean
  readonly signal?: AbortSignal
  /** Told how many bytes the guest has. */
  readonly onProgress?: (bytes: number) => void
}

export interface FileCopyComponentOptions extends IcOptions {
  /** How long the guest may take for each message, in ms; default 30,000. */
  readonly answerMs?: number
}

const KIND: IcKind = {
  name: 'fcopy',
  title: 'Guest Services',
  interfaceId: InterfaceId.FILE_COPY,
  instanceId: InstanceId.FILE_COPY,
  messageType: IcMessageType.FILE_COPY,
}
const ANSWER_MS = 30_000
const LONGEST_TEXT = FILE_COPY_MAX_PATH - 1
const REASONS = new Map<number, string>([
  [IcStatus.ALREADY_EXISTS, 'the file is there already'],
  [IcStatus.DISK_FULL, 'its disk is full'],
  [IcStatus.INVALID_ARGUMENT, 'it does not take this path'],
])

/** Puts files into the guest, one at a time. */
export class FileCopyComponent extends IntegrationComponent {
  readonly #answerMs: number
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: FileCopyComponentOptions) {
    super(KIND, options)
    this.#answerMs = options.answerMs ?? ANSWER_MS
  }

  /**
   * Resolves when the guest has the whole file. A copy that fails or is given up is cancelled, so that nothing is left.
   * @throws IcError `invalid-argument` for a path too long, `refused` with the guest's status, and as every request
   */
  copy(order: FileCopyOrder): Promise<void> {
    const turn = this.#last.then(() => this.#copy(order))
    this.#last = turn.catch(() => {})
    return turn
  }

  async #copy(order: FileCopyOrder): Promise<void> {
    const { source, signal } = order
    await this.#send('start', encodeStart(order), signal)
    try {
      const message = new Uint8Array(fileCopyWrite.size)
      for (let offset = 0; offset < source.size; ) {
        const length = Math.min(FILE_COPY_DATA_FRAGMENT, source.size - offset)
        fileCopyWrite.encode(
          { hdr: header(FileCopyOperation.WRITE), offset_in_file: offset, copied: length, data: NONE },
          message,
        )
        await source.read(offset, message.subarray(fileCopyWrite.data.offset, fileCopyWrite.data.offset + length))
        await this.#send('write', message, signal)
        offset += length
        order.onProgress?.(offset)
      }
      await this.#send('complete', fileCopyHeader.encode(header(FileCopyOperation.COMPLETE)), signal)
    } catch (error) {
      await this.#send('cancel', fileCopyHeader.encode(header(FileCopyOperation.CANCEL))).catch(() => {})
      throw error
    }
  }

  async #send(what: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { status } = await this.request(`file copy: ${what}`, body, { timeoutMs: this.#answerMs, signal })
    if (status === IcStatus.S_OK) return
    const reason = REASONS.get(status) ?? `status 0x${status.toString(16)}`
    throw new IcError('refused', `the guest refuses the file (${what}): ${reason}`, status)
  }
}

const NONE = new Uint8Array(FILE_COPY_DATA_FRAGMENT)

function encodeStart({ name, folder, source, overwrite, createPath }: FileCopyOrder): Uint8Array {
  for (const text of [name, folder]) {
    if (text.length > LONGEST_TEXT)
      throw new IcError('invalid-argument', `a path of ${text.length} characters; ${LONGEST_TEXT} is the limit`)
  }
  return fileCopyStart.encode({
    hdr: header(FileCopyOperation.START),
    file_name: name,
    path_name: folder,
    copy_flags: (overwrite ? FileCopyFlag.OVERWRITE : 0) | (createPath ? FileCopyFlag.CREATE_PATH : 0),
    file_size: source.size,
  })
}

function header(operation: number) {
  return { operation, service_id0: NIL_GUID, service_id1: NIL_GUID }
}
