import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const SOURCE = fileURLToPath(new URL('../../src/ring/ring.c', import.meta.url))

/** One way of the C program, ready to run slices. */
export interface CRun {
  /** Runs the rounds it was started with. @returns nanoseconds for each */
  slice(): Promise<number>
  close(): void
}

/** ring.c, compiled. What it runs ends with `dispose`. */
export class CProgram {
  /** The program's file. */
  readonly path: string
  /** Its directory, when it goes away with this object. */
  readonly #directory: string | undefined
  readonly #running = new Set<ChildProcess>()

  private constructor(path: string, directory?: string) {
    this.path = path
    this.#directory = directory
  }

  /** One that another thread compiled, and removes. */
  static at(path: string): CProgram {
    return new CProgram(path)
  }

  /** Compiles it into a directory of its own. @returns undefined when there is no C compiler, or none that takes the program */
  static async compile(compiler: string): Promise<CProgram | undefined> {
    const directory = await mkdtemp(join(tmpdir(), 'bis-bench-'))
    const program = new CProgram(join(directory, 'ring'), directory)
    try {
      await promisify(execFile)(compiler, ['-O2', '-pthread', '-o', program.path, SOURCE])
      return program
    } catch {
      await program.dispose()
      return undefined
    }
  }

  start(mode: 'copy' | 'one' | 'two', payloadBytes: number, rounds: number, ringBytes: number): CRun {
    const child = spawn(this.path, [mode, payloadBytes, rounds, ringBytes].map(String), {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#running.add(child)
    child.once('exit', () => this.#running.delete(child))
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    return {
      async slice() {
        child.stdin.write('\n')
        const line = await lines.next()
        if (line.done) throw new Error(`the C program ended with ${child.exitCode ?? child.signalCode}`)
        return Number(line.value)
      },
      close: () => child.stdin.end(),
    }
  }

  async dispose(): Promise<void> {
    const exits = [...this.#running].map((child) => once(child, 'exit'))
    for (const child of this.#running) child.kill()
    await Promise.all(exits)
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true })
  }
}
