import type { Backend } from '../backend.ts'
import { MIB } from './bytes.ts'

/** For writing; never to be written to. */
export const ZEROS = new Uint8Array(MIB)

export async function writeZeros(backend: Backend, offset: number, length: number): Promise<void> {
  for (let done = 0; done < length; done += ZEROS.length) {
    await backend.write(offset + done, ZEROS.subarray(0, Math.min(ZEROS.length, length - done)))
  }
}
