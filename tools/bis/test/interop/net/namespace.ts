import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'

/** Without root, a user namespace of its own makes the caller root in it. */
const AS_ROOT = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
const ENTER_AS_ROOT = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials']

/** Why namespaces with TAPs cannot be made here; undefined where they can. */
export function whyNoNamespaces(): string | undefined {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
  } catch {
    return 'no /dev/net/tun'
  }
  const script = 'ip tuntap add tap0 mode tap && ip link set tap0 up'
  const { status, stderr } = spawnSync('unshare', [...AS_ROOT, '--net', 'sh', '-c', script], { encoding: 'utf8' })
  return status === 0 ? undefined : `no network namespace with a TAP (${(stderr ?? '').trim() || 'no unshare'})`
}

/**
 * A network namespace of Linux, with a PID namespace around all that runs in it. Its first process ends when this process
 * closes its standard input, or dies: then the kernel ends everything inside, and the interfaces are gone with it.
 */
export class Namespace implements AsyncDisposable {
  readonly #init: ChildProcess
  readonly #pid: number

  private constructor(init: ChildProcess, pid: number) {
    this.#init = init
    this.#pid = pid
  }

  static async create(): Promise<Namespace> {
    const script = 'read -r pid rest </proc/self/stat; echo "$pid"; read -r end'
    const args = [...AS_ROOT, '--net', '--pid', '--fork', '--kill-child', 'sh', '-c', script]
    const init = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const [line] = (await once(init.stdout, 'data')) as [Buffer]
    const namespace = new Namespace(init, Number(line.toString()))
    await namespace.run('ip', 'link', 'set', 'lo', 'up')
    return namespace
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#init.exitCode !== null || this.#init.signalCode !== null) return
    const ended = once(this.#init, 'close')
    this.#init.stdin?.end()
    await ended
  }

  /** Starts a program inside. */
  start(...command: string[]): ChildProcess {
    const args = ['--target', String(this.#pid), ...ENTER_AS_ROOT, '--net', '--pid', '--', ...command]
    return spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  }

  /** Runs a program inside to its end. @returns what it printed @throws Error with what it said, when it fails */
  run(...command: string[]): Promise<string> {
    return outputOf(this.start(...command), command)
  }

  /**
   * Adds a TAP with a queue longer than two TCP windows, so that the kernel drops nothing. TCP sends again only what three
   * later segments overtook, or what is not acknowledged for seconds: never because a busy machine was slow.
   * @param networks addresses with the length of their prefix, as `10.9.0.1/24`
   */
  async addTap(name: string, options: { mtu: number; networks: readonly string[] }): Promise<void> {
    for (const setting of ['tcp_early_retrans', 'tcp_recovery']) {
      await this.run('sh', '-c', `echo 0 >/proc/sys/net/ipv4/${setting}`)
    }
    await this.run('ip', 'tuntap', 'add', name, 'mode', 'tap')
    await this.run('ip', 'link', 'set', name, 'mtu', String(options.mtu), 'txqueuelen', '20000', 'up')
    for (const network of options.networks) {
      const version = network.includes(':') ? '-6' : '-4'
      const once = version === '-6' ? ['nodad'] : []
      await this.run('ip', version, 'address', 'add', network, 'dev', name, 'noprefixroute', ...once)
      await this.run('ip', version, 'route', 'add', networkOf(network), 'dev', name, 'rto_min', '5s')
    }
  }
}

/** The network of an address whose host part is its last group. */
function networkOf(address: string): string {
  return address.includes(':') ? address.replace(/[^:]*\//, '/') : address.replace(/\d+\//, '0/')
}

/** Collects what a program prints. @throws Error with what it said, when it fails */
export async function outputOf(child: ChildProcess, command: readonly string[]): Promise<string> {
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [status] = (await once(child, 'close')) as [number | null]
  if (status !== 0) throw new Error(`${command.join(' ')}: status ${status}\n${stdout}${stderr}`)
  return stdout
}
