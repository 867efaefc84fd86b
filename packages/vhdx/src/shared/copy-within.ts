import type { Backend } from '../backend.ts'
import { readZeroPadded } from '../backend.ts'
import { MIB } from './bytes.ts'

const STEP = 4 * MIB

/** Copies bytes to another, not overlapping, place of the same medium. */
export async function copyWithin(backend: Backend, from: number, to: number, length: number): Promise<void> {
  const buffer = new Uint8Array(Math.min(STEP, length))
  for (let done = 0; done < length; done += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, length - done))
    await readZeroPadded(backend, from + done, part)
    await backend.write(to + done, part)
  }
}
