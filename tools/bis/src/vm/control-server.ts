import { chmod, unlink } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import { CliError, describeError } from '../cli-error.ts'
import { answer } from './answer.ts'
import { reachMachine } from './control-client.ts'
import { controlPath } from './control-directory.ts'
import { parseRequest, readLines, writeLine } from './control-protocol.ts'
import type { VirtualMachine } from './virtual-machine.ts'

/** The control socket of a running machine, its owner's only. */
export class ControlServer implements AsyncDisposable {
  readonly path: string
  readonly #server: Server
  readonly #connections = new Set<Socket>()
  /** Requests that are being served. */
  readonly #working = new Set<Promise<void>>()

  private constructor(path: string, machine: VirtualMachine) {
    this.path = path
    this.#server = createServer({ allowHalfOpen: false }, (socket) => this.#accept(socket, machine))
  }

  /** @throws CliError `failed` when a machine of this name runs already */
  static async open(machine: VirtualMachine): Promise<ControlServer> {
    const path = await controlPath(machine.name)
    const other = await reachMachine(machine.name)
    other?.destroy()
    const taken = new CliError('failed', `a machine ${machine.name} is running already; give another --name`)
    if (other !== undefined) throw taken
    const control = new ControlServer(path, machine)
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', (error: NodeJS.ErrnoException) =>
        reject(error.code === 'EADDRINUSE' ? taken : error),
      )
      control.#server.listen(path, resolve)
    })
    await chmod(path, 0o600)
    return control
  }

  /** Lets the requests in hand end, then removes the socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    await Promise.all(this.#working)
    for (const socket of this.#connections) socket.end()
    await closed
    await unlink(this.path).catch(() => {})
  }

  #accept(socket: Socket, machine: VirtualMachine): void {
    this.#connections.add(socket)
    const abort = new AbortController()
    let asked = false
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#connections.delete(socket)
      abort.abort(new CliError('failed', 'the client hung up'))
    })
    readLines(socket, (line) => {
      if (asked) return
      asked = true
      const work = serve(machine, line, socket, abort.signal).finally(() => this.#working.delete(work))
      this.#working.add(work)
    })
  }
}

async function serve(machine: VirtualMachine, line: string, socket: Socket, signal: AbortSignal): Promise<void> {
  try {
    const progress = (text: string): void => writeLine(socket, { progress: text })
    const result = await answer(machine, parseRequest(line), { signal, progress })
    writeLine(socket, { result: result ?? null })
  } catch (error) {
    writeLine(socket, { error: describeError(error), code: error instanceof CliError ? error.code : 'failed' })
  }
  socket.end()
}
