import type { SeededRandom } from '@bis/hyperv-types'
import { IC_BODY_OFFSET, IC_FLAGS_REQUEST, IC_FLAGS_RESPONSE } from '@bis/hyperv-types/ic'
import { icMessage } from './ic-message.ts'

/** Lengths at which something begins or ends. */
const LENGTHS = [0, 1, 4, 8, 12, 16, 17, 22, 24, 25, 36, 40, 52, 1088, 2060, 2580, 6196, 6260, 7428]
const WORDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 100, 101, 255, 1024, 6144, 6145, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

function pick<T>(random: SeededRandom, list: readonly T[]): T {
  const item = list[random.below(list.length)]
  if (item === undefined) throw new RangeError('an empty list')
  return item
}

/** A message that says some of the truth: its own type most of the time, lengths that lie, words that mean something. */
export function hostileMessage(random: SeededRandom, ownType: number, answer: boolean): Uint8Array {
  if (random.happens(0.03)) return noise(random, random.below(64))
  const body = noise(random, random.happens(0.7) ? pick(random, LENGTHS) : random.below(7500))
  const view = new DataView(body.buffer)
  for (let n = random.below(6); n > 0 && body.length >= 4; n--) {
    // Most fields that steer stand at the beginning.
    const at = random.happens(0.8)
      ? random.below(Math.min(16, Math.floor(body.length / 4))) * 4
      : random.below(body.length - 3)
    view.setUint32(at, pick(random, WORDS), true)
  }
  const type = random.happens(0.85) ? ownType : random.happens(0.7) ? 0 : random.below(65_536)
  const usual = answer ? IC_FLAGS_RESPONSE : IC_FLAGS_REQUEST
  return icMessage({
    type,
    body,
    flags: random.happens(0.95) ? usual : random.below(256),
    transactionId: random.below(256),
    ...(random.happens(0.1) ? { bodyLength: random.below(65_536) } : {}),
    ...(random.happens(0.05) ? { pipeLength: pick(random, WORDS) } : {}),
  }).subarray(0, random.happens(0.02) ? random.below(IC_BODY_OFFSET + body.length) : undefined)
}

/** An operation that its service knows, in the middle of what makes no sense. */
export function noise(random: SeededRandom, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const kind = random.below(4)
  for (let i = 0; i < length; i++) bytes[i] = kind === 0 ? 0 : kind === 1 ? 0xff : random.below(256)
  return bytes
}
