import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from '@bis/build/bundle'
import type { CharacterDevice } from '@bis/hyperv-types'
import type { CharacterDeviceServer } from '@bis/utils/node'
import { serveCharacterDevice } from '@bis/utils/node'
import { compile } from './programs.ts'

const PRELOAD = new URL('../../../utils/test/support/character-device-preload.c', import.meta.url)

let bundled: Promise<string> | undefined

export type DaemonName = 'hv_kvp_daemon' | 'ours'

/** Runs daemons on a device of ours and a folder of pools. */
export class Daemons implements AsyncDisposable {
  readonly pools: string
  readonly #preload: string
  readonly #child: string
  readonly #server: CharacterDeviceServer
  #running: ChildProcess | undefined

  private constructor(pools: string, preload: string, child: string, server: CharacterDeviceServer) {
    this.pools = pools
    this.#preload = preload
    this.#child = child
    this.#server = server
  }

  static async on(device: CharacterDevice, folder: string): Promise<Daemons> {
    const preload = join(folder, 'preload.so')
    compile(fileURLToPath(PRELOAD), preload, '-shared', '-fPIC')
    bundled ??= bundle(new URL('./daemon-child.ts', import.meta.url))
    const server = await serveCharacterDevice(device, join(folder, 'device.socket'))
    return new Daemons(join(folder, 'pools'), preload, await bundled, server)
  }

  start(name: DaemonName): void {
    const [program, args] =
      name === 'ours' ? [process.execPath, [this.#child, this.pools]] : ['/usr/sbin/hv_kvp_daemon', ['-n']]
    this.#running = spawn(program, args, {
      env: {
        ...process.env,
        LD_PRELOAD: this.#preload,
        BIS_DEVICES: `/dev/vmbus/hv_kvp=${this.#server.path}`,
        BIS_FOLDERS: `/var/lib/hyperv=${this.pools}`,
      },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#running?.kill(signal)
  }

  /** Ends the daemon that runs. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const running = this.#running
    this.#running = undefined
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const ended = once(running, 'exit')
    running.kill(signal)
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
    await this.#server[Symbol.asyncDispose]()
  }
}
