import type { Random } from './random.ts'

const MIB = 1024 * 1024
const UNIT = 64 * 1024

/** One call on the disk, as the killed process makes it and the test that killed it repeats on paper. */
export type Call =
  | { do: 'write'; offset: number; length: number }
  | { do: 'trim' | 'zero'; offset: number; length: number }
  | { do: 'resize'; sizeBytes: number; from: number }
  | { do: 'flush' }
  | { do: 'compact' }

/** Calls in groups that are made side by side, without end. The same for the same seed. */
export function* killScript(random: Random, blockSize: number, startSize: number): Generator<Call[]> {
  let size = startSize
  for (;;) {
    const calls: Call[] = []
    const taken = new Set<number>()
    for (let count = 1 + random.below(8); count > 0; count--) {
      const slot = random.below(size / UNIT)
      if (taken.has(slot)) continue
      taken.add(slot)
      const first = random.below(128)
      calls.push({ do: 'write', offset: slot * UNIT + first * 512, length: 512 * (1 + random.below(128 - first)) })
    }
    if (random.chance(0.2)) calls.push({ do: 'flush' })
    yield calls
    if (random.chance(0.3)) {
      const block = random.below(Math.floor(size / blockSize))
      yield [{ do: random.chance(0.5) ? 'trim' : 'zero', offset: block * blockSize, length: blockSize }]
    }
    if (random.chance(0.1)) {
      const sizeBytes = Math.max(8, Math.min(40, size / MIB + random.below(17) - 7)) * MIB
      yield [{ do: 'resize', sizeBytes, from: Math.min(size, sizeBytes) }]
      size = sizeBytes
    }
    if (random.chance(0.05)) yield [{ do: 'compact' }]
    if (random.chance(0.3)) yield [{ do: 'flush' }]
  }
}
