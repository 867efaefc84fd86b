import { describe, expect, it } from 'vitest'
import { recordingRoot, SINT, TestGuest } from '../test/guest.ts'

describe('Partition', () => {
  it('carries messages and events both ways', async () => {
    const guest = new TestGuest({ processorCount: 2, vpIndices: [3, 1] })
    const root = recordingRoot()
    guest.partition.ports.connect(root)
    guest.enableHypercalls()
    guest.enableSynic(1)
    expect(guest.postMessage(1, Uint8Array.of(1, 2, 3), 1, 1)).toBe(0)
    expect(guest.signalFast(0x2005, 7)).toBe(0)
    expect(guest.signalSlow(0x2006)).toBe(0)
    expect(root.messages).toEqual([{ connectionId: 1, type: 1, payload: Uint8Array.of(1, 2, 3), vp: 1 }])
    expect(root.events).toEqual([
      { connectionId: 0x2005, flag: 7, vp: 3 },
      { connectionId: 0x2006, flag: 0, vp: 3 },
    ])
    expect(guest.partition.ports.signalEvent(1, SINT, 5)).toBe('delivered')
    expect(guest.partition.ports.postMessage(1, SINT, 1, Uint8Array.of(9))).toBe('delivered')
    expect(guest.partition.ports.postMessage(1, SINT, 1, Uint8Array.of(8))).toBe('queued')
    expect(guest.interrupts).toEqual([])
    await guest.clock.run()
    expect(guest.interrupts).toEqual(['1:243'])
    expect(guest.eventFlags(1)).toEqual([5])
    expect(guest.takeMessage(1)).toEqual({ type: 1, payload: Uint8Array.of(9) })
    expect(guest.takeMessage(1)).toEqual({ type: 1, payload: Uint8Array.of(8) })
    expect(guest.takeMessage(1)).toBeUndefined()
    await guest.clock.run()
    expect(guest.interrupts).toEqual(['1:243', '1:243'])
  })
})
