import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

/** The built command: what a user runs. */
export const BIS = fileURLToPath(new URL('../dist/main.js', import.meta.url))

/** Where the machines of this test file have their control sockets; one that is killed leaves its own. */
const XDG_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'bis-run-'))
afterAll(() => rmSync(XDG_RUNTIME_DIR, { recursive: true, force: true }))

export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A `bis` process of a test, with what it printed. */
export class BisProcess {
  readonly #child: ChildProcess
  readonly ended: Promise<Ended>
  #stdout = ''
  #stderr = ''
  #watchers: (() => void)[] = []

  constructor(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.#child = spawn(process.execPath, [BIS, ...args], {
      ...options,
      env: { ...process.env, XDG_RUNTIME_DIR, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      for (const watch of this.#watchers) watch()
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (status, signal) => {
        resolve({ status, signal, stdout: this.#stdout, stderr: this.#stderr })
        for (const watch of this.#watchers) watch()
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** Waits for text on standard output; rejects with all output when the process ends first. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#stdout)
      if (match !== null) return match[0]
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        await this.ended
        const late = pattern.exec(this.#stdout)
        if (late !== null) return late[0]
        throw new Error(`bis ended before it printed ${pattern}:\n${this.#stdout}\n${this.#stderr}`)
      }
      await new Promise<void>((resolve) => this.#watchers.push(resolve))
      this.#watchers = []
    }
  }

  async end(signal: NodeJS.Signals = 'SIGINT'): Promise<Ended> {
    this.#child.kill(signal)
    return this.ended
  }
}

/** Runs a `bis` command to its end. */
export function bis(...args: string[]): Promise<Ended> {
  return new BisProcess(args).ended
}

/** Exports an image's disk and waits until it is served. @returns the process and the URI for clients. */
export async function exportDisk(disk: string, socket: string): Promise<{ process: BisProcess; uri: string }> {
  const process = new BisProcess(['nbd', '--disk', disk, '--socket', socket])
  await process.until(/nbd\+unix:\S+/)
  return { process, uri: `nbd+unix:///?socket=${socket}` }
}
