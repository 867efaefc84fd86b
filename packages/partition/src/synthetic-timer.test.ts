import { Msr, stimerConfig, timerMessage } from '@bis/hyperv-types/hypervisor'
import { describe, expect, it } from 'vitest'
import { SINT, TestGuest } from '../test/guest.ts'

const CONFIG = Msr.STIMER0_CONFIG
const COUNT = Msr.STIMER0_COUNT
const MILLISECOND = 10_000n

function guestWithTimer(): TestGuest {
  const guest = new TestGuest()
  guest.enableSynic()
  return guest
}

function takeTimer(guest: TestGuest): ReturnType<typeof timerMessage.decode> | undefined {
  const message = guest.takeMessage()
  if (message === undefined) return undefined
  expect(message.type).toBe(0x8000_0010)
  return timerMessage.decode(message.payload)
}

describe('synthetic timer', () => {
  it('starts by its count when it has auto-enable, and expires once', async () => {
    const guest = guestWithTimer()
    const { partition } = guest
    partition.writeMsr(0, CONFIG, stimerConfig.encode({ auto_enable: 1, sintx: SINT }))
    partition.writeMsr(0, COUNT, 5n * MILLISECOND)
    expect(stimerConfig.decode(partition.readMsr(0, CONFIG)).enable).toBe(1)
    await guest.clock.advance(4.9)
    expect(guest.takeMessage()).toBeUndefined()
    await guest.clock.advance(0.2)
    expect(takeTimer(guest)).toMatchObject({ timer_index: 0, expiration_time: 50_000 })
    expect(stimerConfig.decode(partition.readMsr(0, CONFIG)).enable).toBe(0)
    await guest.clock.advance(100)
    expect(guest.takeMessage()).toBeUndefined()
    expect(guest.interrupts.length).toBe(1)
  })

  it('expires at once for a time that has passed', async () => {
    const guest = guestWithTimer()
    await guest.clock.advance(10)
    guest.partition.writeMsr(0, CONFIG, stimerConfig.encode({ auto_enable: 1, sintx: SINT }))
    guest.partition.writeMsr(0, COUNT, 1n)
    await guest.clock.advance(0)
    expect(takeTimer(guest)?.expiration_time).toBe(1)
  })

  it('repeats when it is periodic, and adds nothing while its message waits', async () => {
    const guest = guestWithTimer()
    guest.partition.writeMsr(0, COUNT, 10n * MILLISECOND)
    guest.partition.writeMsr(0, CONFIG, stimerConfig.encode({ enable: 1, periodic: 1, sintx: SINT }))
    await guest.clock.advance(10.1)
    expect(takeTimer(guest)?.expiration_time).toBe(100_000)
    await guest.clock.advance(50)
    // One was delivered at 20 ms, one more waits for the slot, the periods between are gone.
    expect(takeTimer(guest)).toMatchObject({ expiration_time: 200_000 })
    const late = takeTimer(guest)
    expect(late?.expiration_time).toBe(600_000)
    expect(late?.delivery_time).toBeGreaterThanOrEqual(600_000)
    expect(takeTimer(guest)).toBeUndefined()
  })

  it('stops when its count is 0, taking back a message that waits', async () => {
    const guest = guestWithTimer()
    guest.partition.writeMsr(0, CONFIG, stimerConfig.encode({ auto_enable: 1, periodic: 1, sintx: SINT }))
    guest.partition.writeMsr(0, COUNT, MILLISECOND)
    await guest.clock.advance(2.5)
    guest.partition.writeMsr(0, COUNT, 0n)
    expect(stimerConfig.decode(guest.partition.readMsr(0, CONFIG)).enable).toBe(0)
    expect(takeTimer(guest)).toBeDefined()
    expect(takeTimer(guest)).toBeUndefined()
    await guest.clock.advance(100)
    expect(takeTimer(guest)).toBeUndefined()
    expect(guest.clock.pendingTimers).toBe(0)
  })

  it('is not enabled for SINT 0', () => {
    const guest = guestWithTimer()
    guest.partition.writeMsr(0, CONFIG, stimerConfig.encode({ enable: 1 }))
    expect(guest.partition.readMsr(0, CONFIG)).toBe(0n)
  })

  it('raises its vector and sends nothing in direct mode', async () => {
    const guest = guestWithTimer()
    let ticks = 0
    guest.partition.setVector(0, 0xed, () => {
      ticks++
      guest.partition.writeMsr(0, Msr.EOI, 0n)
    })
    const config = { auto_enable: 1, direct_mode: 1, apic_vector: 0xed, periodic: 1 }
    guest.partition.writeMsr(0, CONFIG, stimerConfig.encode(config))
    guest.partition.writeMsr(0, COUNT, MILLISECOND)
    await guest.clock.advance(3.05)
    expect(ticks).toBe(3)
    expect(guest.takeMessage()).toBeUndefined()
  })

  it('keeps its time over a migration', async () => {
    const guest = guestWithTimer()
    guest.partition.writeMsr(0, CONFIG, stimerConfig.encode({ auto_enable: 1, sintx: SINT }))
    guest.partition.writeMsr(0, COUNT, 100n * MILLISECOND)
    await guest.clock.advance(50)
    guest.partition.migrateTsc(1_500_000_000, 7n)
    await guest.clock.advance(49)
    expect(takeTimer(guest)).toBeUndefined()
    await guest.clock.advance(1.1)
    expect(takeTimer(guest)).toBeDefined()
  })

  it('leaves nothing behind after a reset', async () => {
    const guest = guestWithTimer()
    guest.partition.writeMsr(0, CONFIG, stimerConfig.encode({ auto_enable: 1, periodic: 1, sintx: SINT }))
    guest.partition.writeMsr(0, COUNT, MILLISECOND)
    guest.partition.reset()
    await guest.clock.advance(10)
    expect(guest.clock.pendingTimers).toBe(0)
    expect(guest.partition.readMsr(0, CONFIG)).toBe(0n)
  })
})
