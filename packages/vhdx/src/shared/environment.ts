import { DiskImageError } from '../errors.ts'

/** Where ids and timestamps come from, so that a test can repeat a run. */
export interface Environment {
  /** Fills the buffer with random bytes. Default: the platform's `crypto.getRandomValues`. */
  random(buffer: Uint8Array): void
  /** Milliseconds since 1970-01-01 UTC. Default: `Date.now`. */
  now(): number
}

export const platform: Environment = {
  random(buffer) {
    const { crypto } = globalThis as { crypto?: { getRandomValues(buffer: Uint8Array): unknown } }
    if (crypto === undefined) {
      throw new DiskImageError(
        'unsupported',
        'this platform has no crypto.getRandomValues; pass `environment` with a source of random bytes',
      )
    }
    crypto.getRandomValues(buffer)
  },
  now: () => Date.now(),
}
