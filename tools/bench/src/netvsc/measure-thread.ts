import { parentPort, workerData } from 'node:worker_threads'
import { CProgram } from '../ring/c-program.ts'
import type { MeasureThreadData } from './bench-netvsc.ts'
import { measure } from './measure.ts'

// Measures one network, in a thread of its own.

async function run(): Promise<void> {
  const { measurement, compiler } = workerData as MeasureThreadData
  const c = compiler === false ? undefined : await CProgram.compile(compiler)
  try {
    parentPort?.postMessage(await measure(measurement, c))
  } finally {
    await c?.dispose()
  }
}

void run() // a failure ends the thread, and its error reaches who started it
