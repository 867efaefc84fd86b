import type { WriteStream } from 'node:fs'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { NetworkAdapter } from '@bis/host'
import { PcapngWriter } from '@bis/host'
import { CliError, describeError } from '../cli-error.ts'

/** The capture file of a machine's NICs: an interface in it for each. */
export class NicCapture implements AsyncDisposable {
  readonly #path: string
  readonly #file: WriteStream
  readonly #writer: PcapngWriter
  #failure: Error | undefined

  private constructor(path: string, file: WriteStream) {
    this.#path = path
    this.#file = file
    this.#writer = new PcapngWriter((bytes) => void (this.#failure === undefined && file.write(bytes)))
    file.on('error', (error) => {
      this.#failure = error
    })
  }

  /** @throws CliError `failed` when the file cannot be written */
  static async open(path: string): Promise<NicCapture> {
    const file = createWriteStream(path)
    await new Promise<void>((resolve, reject) => {
      file.once('open', () => resolve())
      file.once('error', (error) => reject(new CliError('failed', `--capture ${describeError(error)}`)))
    })
    return new NicCapture(path, file)
  }

  /** From now on, what goes through the NIC's port is written; a port that is captured already stays as it is. */
  add({ switchPort }: NetworkAdapter, name: string): void {
    if (switchPort.capture !== undefined) return
    switchPort.capture = { writer: this.#writer, interfaceNumber: this.#writer.addInterface(name) }
  }

  /** @throws CliError `failed` when not all of it could be written */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#file.end()
    await finished(this.#file).catch(() => {})
    if (this.#failure === undefined) return
    const why = describeError(Object.assign(this.#failure, { path: this.#path }))
    throw new CliError('failed', `--capture ${why}; the end of the capture is missing`)
  }
}
