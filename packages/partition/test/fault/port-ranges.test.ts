import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SINT, TestGuest } from '../guest.ts'

/** Numbers a guest may have put into a 32-bit field, the interesting ones often, and things that are no such number. */
const word = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 5, 15, 16, 31, 32, 240, 255, 2047, 2048, 65_535, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(-1, 0.5, Number.NaN, Infinity, 2 ** 32, 2 ** 53),
)

describe('[DS-08] numbers from the guest that reach the ports', () => {
  const guest = new TestGuest({ vpIndices: [0, 3, 5] })
  guest.enableSynic(1)

  it('deliver, are masked or are refused, and touch no other processor', () => {
    fc.assert(
      fc.property(word, word, word, fc.nat(256), (vp, sint, flag, length) => {
        const event = guest.partition.ports.signalEvent(vp, sint, flag)
        const message = guest.partition.ports.postMessage(vp, sint, 1, new Uint8Array(length))
        const known = [0, 3, 5].includes(vp) && Number.isInteger(sint) && sint < 16 && sint >= 0
        if (!known) expect([event, message]).toEqual(['invalid', 'invalid'])
        else if (vp !== 3 || sint !== SINT) expect(['masked', 'invalid']).toContain(event)
        else expect(['delivered', 'invalid']).toContain(event)
        if (length > 240) expect(message).toBe('invalid')
        const { events } = guest.synicPages(0)
        expect(guest.memory.bytesAt(events, 4096).every((byte) => byte === 0)).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  it('never reach the rows of other SINTs', () => {
    const { events } = guest.synicPages(1)
    const page = guest.memory.bytesAt(events, 4096)
    for (let offset = 0; offset < 4096; offset++) {
      if (offset < SINT * 256 || offset >= (SINT + 1) * 256) expect(page[offset]).toBe(0)
    }
  })

  it('fill the queue of a SINT that is off, and no further', () => {
    const { ports } = new TestGuest().partition
    const results = new Map<string, number>()
    for (let i = 0; i < 5000; i++) {
      const result = ports.postMessage(0, SINT, 1, new Uint8Array(240))
      results.set(result, (results.get(result) ?? 0) + 1)
    }
    expect(Object.fromEntries(results)).toEqual({ masked: 4096, full: 904 })
  })
})
