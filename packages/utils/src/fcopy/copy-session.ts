import type { Logger } from '@bis/hyperv-types'
import { FileCopyOperation, fileCopyHeader, IcStatus } from '@bis/hyperv-types/ic'
import type { DaemonDevice } from '../daemon/daemon-device.ts'
import { FileCopyError, statusOf } from './errors.ts'
import { HEADER_BYTES, readChunk, readStart, startForDaemon, writeForDaemon } from './file-copy-message.ts'
import type { FileCopyStart, FileCopyTarget, FileCopyWriter } from './file-copy-target.ts'

/** What the daemon may take to answer; Linux's limit. */
const DAEMON_MS = 30_000
/** For a cancellation, which nobody waits for long. */
const CANCEL_MS = 5000

/** A file that has begun, and how much of it is there. */
interface Copy {
  readonly file: FileCopyStart
  readonly writer: FileCopyWriter
  received: number
}

/** One file at a time: START, its bytes in order, COMPLETE. Whatever is out of order ends it and leaves nothing behind. */
export class CopySession {
  files = 0
  bytes = 0
  failures = 0
  readonly #daemon: DaemonDevice<Uint8Array, number> | undefined
  readonly #target: FileCopyTarget | undefined
  readonly #log: Logger
  readonly #readStart: (body: Uint8Array) => FileCopyStart
  #copy: Copy | undefined
  #work: Promise<unknown> = Promise.resolve()

  /** @param readStartMessage how the texts of a START are to be read; default: as the host sends them */
  constructor(
    daemon: DaemonDevice<Uint8Array, number> | undefined,
    target: FileCopyTarget | undefined,
    log: Logger,
    readStartMessage: (body: Uint8Array) => FileCopyStart = readStart,
  ) {
    this.#readStart = readStartMessage
    this.#daemon = daemon
    this.#target = target
    this.#log = log
  }

  /** @param body a copy, or bytes that stay as they are until the promise resolves @returns an HRESULT */
  serve(body: Uint8Array): Promise<number> {
    const turn = this.#work.then(() => this.#serve(body))
    this.#work = turn
    return turn
  }

  /** The host is gone: a file that has begun will not be completed. */
  abandon(): Promise<unknown> {
    const turn = this.#work.then(() => this.#cancel())
    this.#work = turn
    return turn
  }

  async #serve(body: Uint8Array): Promise<number> {
    try {
      await this.#do(body)
      return IcStatus.S_OK
    } catch (error) {
      this.failures++
      const { file } = this.#copy ?? {}
      await this.#cancel()
      const text = error instanceof Error ? error.message : String(error)
      this.#log.log('warning', `file copy${file === undefined ? '' : ` of ${file.name}`} refused: ${text}`, 'refused')
      return error instanceof DaemonFailure ? error.status : statusOf(error)
    }
  }

  async #do(body: Uint8Array): Promise<void> {
    if (body.length < HEADER_BYTES) throw new FileCopyError('bad-order', `a message of ${body.length} bytes`)
    const operation = fileCopyHeader.operation.get(new DataView(body.buffer, body.byteOffset, body.byteLength), 0)
    switch (operation) {
      case FileCopyOperation.START:
        return this.#start(body)
      case FileCopyOperation.WRITE:
        return this.#write(body)
      case FileCopyOperation.COMPLETE:
        return this.#complete()
      case FileCopyOperation.CANCEL:
        return this.#cancel()
      default:
        throw new FileCopyError('not-supported', `operation ${operation}`)
    }
  }

  async #start(body: Uint8Array): Promise<void> {
    if (this.#copy !== undefined) throw new FileCopyError('bad-order', 'a START before the last file was complete')
    const file = this.#readStart(body)
    const daemon = this.#daemon?.registered === true ? this.#daemon : undefined
    const writer = await (daemon === undefined ? this.#target?.start(file) : this.#startDaemon(daemon, body, file))
    if (writer === undefined) throw new FileCopyError('denied', 'this guest takes no files')
    this.#copy = { file, writer, received: 0 }
  }

  async #write(body: Uint8Array): Promise<void> {
    const copy = this.#begun('WRITE')
    const { offset, data } = readChunk(body)
    const { received, file } = copy
    if (data.length === 0 || offset !== received || data.length > file.size - received) {
      const what = `${data.length} bytes at ${offset}, where ${received} of ${file.size} are there`
      throw new FileCopyError('bad-order', `a WRITE of ${what}`)
    }
    await copy.writer.write(offset, data)
    copy.received += data.length
    this.bytes += data.length
  }

  async #complete(): Promise<void> {
    const { file, received, writer } = this.#begun('COMPLETE')
    if (received !== file.size) throw new FileCopyError('bad-order', `COMPLETE after ${received} bytes of ${file.size}`)
    await writer.complete()
    this.#copy = undefined
    this.files++
  }

  async #cancel(): Promise<void> {
    const copy = this.#copy
    this.#copy = undefined
    try {
      await copy?.writer.cancel()
    } catch (error) {
      this.#log.log(
        'warning',
        `cancelling ${copy?.file.name}: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }

  #begun(what: string): Copy {
    if (this.#copy === undefined) throw new FileCopyError('bad-order', `${what} without a START`)
    return this.#copy
  }

  async #startDaemon(
    daemon: DaemonDevice<Uint8Array, number>,
    body: Uint8Array,
    file: FileCopyStart,
  ): Promise<FileCopyWriter> {
    const ask = async (message: Uint8Array, timeoutMs = DAEMON_MS): Promise<void> => {
      const reply = await daemon.ask(message, timeoutMs)
      const status = typeof reply === 'number' ? reply : IcStatus.E_FAIL
      if (status !== IcStatus.S_OK) throw new DaemonFailure(status)
    }
    const header = body.slice(0, HEADER_BYTES)
    const simple = (operation: number, timeoutMs?: number): Promise<void> => {
      const message = fileCopyHeader.encode({ ...fileCopyHeader.decode(header), operation })
      return ask(message, timeoutMs)
    }
    await ask(startForDaemon(body, file))
    return {
      write: (offset, data) => ask(writeForDaemon(header, offset, data)),
      complete: () => simple(FileCopyOperation.COMPLETE),
      cancel: () => simple(FileCopyOperation.CANCEL, CANCEL_MS),
    }
  }
}

/** The daemon's own status, which the host gets as it is. */
class DaemonFailure extends Error {
  readonly status: number

  constructor(status: number) {
    super(`the daemon answers status 0x${status.toString(16)}`)
    this.status = status
  }
}
