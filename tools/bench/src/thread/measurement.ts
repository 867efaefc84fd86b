import { once } from 'node:events'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { CProgram } from '../ring/c-program.ts'

/** What a measuring thread is started with. */
interface Task<Measurement> {
  readonly measurement: Measurement
  /** The C program that runs in turns with ours, compiled; undefined: without it. */
  readonly program: string | undefined
}

export interface MeasuringOptions {
  /** The threads' script: it calls `answerMeasurement`. */
  readonly script: string
  /** The C compiler; false for none. Default `cc`, left out quietly when the machine has none. */
  readonly compiler?: string | false | undefined
  /** Ends the thread that measures. */
  readonly signal?: AbortSignal | undefined
}

/** Has things measured, each in a thread of its own, a fresh engine: what one does to the compiler would slow the next. */
export class MeasuringThreads<Measurement, Row> implements AsyncDisposable {
  readonly #options: MeasuringOptions
  readonly #c: CProgram | undefined

  private constructor(options: MeasuringOptions, c: CProgram | undefined) {
    this.#options = options
    this.#c = c
  }

  static async open<Measurement, Row>(options: MeasuringOptions): Promise<MeasuringThreads<Measurement, Row>> {
    const { compiler = 'cc' } = options
    return new MeasuringThreads(options, compiler === false ? undefined : await CProgram.compile(compiler))
  }

  /** @throws the signal's reason when it is aborted */
  async measure(measurement: Measurement): Promise<readonly Row[]> {
    const { script, signal } = this.#options
    signal?.throwIfAborted()
    const task: Task<Measurement> = { measurement, program: this.#c?.path }
    const worker = new Worker(script, { workerData: task })
    try {
      const [rows] = (await once(worker, 'message', signal === undefined ? {} : { signal })) as [readonly Row[]]
      return rows
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      await worker.terminate()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#c?.dispose()
  }
}

/** The other end of `MeasuringThreads`, called by the thread's script; elsewhere it does nothing. */
export function answerMeasurement<Measurement>(
  measure: (measurement: Measurement, c: CProgram | undefined) => Promise<unknown>,
): void {
  const port = parentPort
  if (port === null) return
  const run = async (): Promise<void> => {
    const { measurement, program } = workerData as Task<Measurement>
    const c = program === undefined ? undefined : CProgram.at(program)
    try {
      port.postMessage(await measure(measurement, c))
    } finally {
      await c?.dispose()
    }
  }
  void run() // a failure ends the thread, and its error reaches who started it
}
