import { once } from 'node:events'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { CProgram } from '../ring/c-program.ts'

/** What a measuring thread is started with. */
export interface MeasurementTask<Measurement> {
  readonly measurement: Measurement
  /** The C compiler for the ring program that runs in turns with ours; false: without it. */
  readonly compiler: string | false
}

/** Has something measured in a thread of its own, a fresh engine: what it does to the compiler would slow the next. */
export async function measureInThread<Measurement, Row>(
  script: string,
  task: MeasurementTask<Measurement>,
): Promise<readonly Row[]> {
  const worker = new Worker(script, { workerData: task })
  const [rows] = (await once(worker, 'message')) as [readonly Row[]]
  await worker.terminate()
  return rows
}

/** The other end of `measureInThread`, called by the thread's script; elsewhere it does nothing. */
export function answerMeasurement<Measurement>(
  measure: (measurement: Measurement, c: CProgram | undefined) => Promise<unknown>,
): void {
  const port = parentPort
  if (port === null) return
  const run = async (): Promise<void> => {
    const { measurement, compiler } = workerData as MeasurementTask<Measurement>
    const c = compiler === false ? undefined : await CProgram.compile(compiler)
    try {
      port.postMessage(await measure(measurement, c))
    } finally {
      await c?.dispose()
    }
  }
  void run() // a failure ends the thread, and its error reaches who started it
}
