import type { RandomSource } from '@bis/hyperv-types'

/** Longest request that the platform's generator takes. */
const LARGEST = 65_536

/** The platform's cryptographic generator. */
export const platformRandom: RandomSource = (target) => {
  for (let at = 0; at < target.length; at += LARGEST) crypto.getRandomValues(target.subarray(at, at + LARGEST))
}
