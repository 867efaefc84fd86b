import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { Namespace } from './namespace.ts'

const QEMU = 'qemu-system-x86_64'

/** What is at the other end of the hub: QEMU's own user-mode network, or a TAP of the namespace. */
export type HubEnd = { readonly user: string } | { readonly tap: string; readonly namespace: Namespace }

/** A QEMU without a machine: its hub joins a stream socket and a network. */
export class QemuHub implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #inNamespace: boolean
  #stderr = ''

  private constructor(child: ChildProcess, inNamespace: boolean) {
    this.#child = child
    this.#inNamespace = inNamespace
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
  }

  /** @param server QEMU listens at the socket, and this waits until it does; otherwise QEMU connects to it. */
  static async start(end: HubEnd, socket: string, server: boolean): Promise<QemuHub> {
    const network = 'user' in end ? `user,id=far${end.user}` : `tap,id=far,ifname=${end.tap},script=no,downscript=no`
    const args = [
      ...['-M', 'none', '-nodefaults', '-display', 'none'],
      ...['-netdev', network, '-netdev', 'hubport,hubid=0,id=port0,netdev=far'],
      ...['-netdev', `stream,id=near,server=${server ? 'on' : 'off'},addr.type=unix,addr.path=${socket}`],
      ...['-netdev', 'hubport,hubid=0,id=port1,netdev=near'],
    ]
    // One outside of a namespace ends with this process too, however that ends.
    const child =
      'user' in end
        ? spawn('setpriv', ['--pdeathsig', 'KILL', QEMU, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
        : end.namespace.start(QEMU, ...args)
    const hub = new QemuHub(child, 'tap' in end)
    while (server && !existsSync(socket)) {
      if (child.exitCode !== null) throw new Error(`${QEMU}: ${hub.#stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return hub
  }

  /** One in a namespace ends with that. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#inNamespace || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'close')
    this.#child.kill('SIGTERM')
    await ended
  }
}
