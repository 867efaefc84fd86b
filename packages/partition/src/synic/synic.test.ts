import { PAGE_SIZE } from '@bis/hyperv-types'
import { Msr, scontrolMsr, sintMsr, sintRegister, synicMessage, synicMessageHeader } from '@bis/hyperv-types/hypervisor'
import { describe, expect, it } from 'vitest'
import { recordingRoot, SINT, TestGuest, VECTOR } from '../../test/guest.ts'

const payload = Uint8Array.of(1, 2, 3, 4)

describe('event flags', () => {
  it('interrupt only when the flag was clear', async () => {
    const guest = new TestGuest()
    guest.enableSynic()
    const { ports } = guest.partition
    expect(ports.signalEvent(0, SINT, 2047)).toBe('delivered')
    await guest.clock.run()
    expect(ports.signalEvent(0, SINT, 2047)).toBe('delivered')
    await guest.clock.run()
    expect(guest.interrupts.length).toBe(1)
    guest.memory.bytesAt(guest.synicPages(0).events, PAGE_SIZE).fill(0)
    ports.signalEvent(0, SINT, 2047)
    ports.signalEvent(0, SINT, 31)
    await guest.clock.run()
    expect(guest.interrupts.length).toBe(2)
    expect(guest.eventFlags()).toEqual([31, 2047])
  })

  it('are lost while the SINT, the page or the SynIC is off', async () => {
    const guest = new TestGuest()
    const { ports } = guest.partition
    expect(ports.signalEvent(0, SINT, 1)).toBe('masked')
    guest.enableSynic()
    guest.mask(true)
    expect(ports.signalEvent(0, SINT, 1)).toBe('masked')
    guest.mask(false)
    guest.partition.writeMsr(0, Msr.SCONTROL, 0n)
    expect(ports.signalEvent(0, SINT, 1)).toBe('masked')
    guest.partition.writeMsr(0, Msr.SCONTROL, scontrolMsr.encode({ enable: 1 }))
    await guest.clock.run()
    expect(guest.eventFlags()).toEqual([])
    expect(guest.interrupts).toEqual([])
  })

  it('are set without an interrupt in polling mode', async () => {
    const guest = new TestGuest()
    guest.enableSynic()
    guest.partition.writeMsr(0, sintMsr(SINT), sintRegister.encode({ vector: VECTOR, polling: 1 }))
    expect(guest.partition.ports.signalEvent(0, SINT, 9)).toBe('delivered')
    expect(guest.partition.ports.postMessage(0, SINT, 1, payload)).toBe('delivered')
    await guest.clock.run()
    expect(guest.eventFlags()).toEqual([9])
    expect(guest.takeMessage()).toEqual({ type: 1, payload })
    expect(guest.interrupts).toEqual([])
  })
})

describe('messages', () => {
  it('never overwrite a slot, and come one for each end of message', async () => {
    const guest = new TestGuest()
    guest.enableSynic()
    const { ports } = guest.partition
    for (let type = 1; type <= 3; type++) ports.postMessage(0, SINT, type, Uint8Array.of(type))
    const taken: (number | undefined)[] = []
    for (let i = 0; i < 4; i++) {
      await guest.clock.run()
      taken.push(guest.takeMessage()?.type)
    }
    expect(taken).toEqual([1, 2, 3, undefined])
    expect(guest.interrupts.length).toBe(3)
  })

  it('wait while the SINT is masked, the SynIC is off or there is no page', async () => {
    const guest = new TestGuest()
    const { ports } = guest.partition
    expect(ports.postMessage(0, SINT, 1, payload)).toBe('masked')
    guest.enableSynic()
    await guest.clock.run()
    expect(guest.takeMessage()).toEqual({ type: 1, payload })
    guest.mask(true)
    expect(ports.postMessage(0, SINT, 2, payload)).toBe('masked')
    expect(guest.takeMessage()).toBeUndefined()
    guest.mask(false)
    await guest.clock.run()
    expect(guest.takeMessage()?.type).toBe(2)
    expect(guest.interrupts.length).toBe(2)
  })

  it('of other SINTs have slots of their own', () => {
    const guest = new TestGuest()
    guest.enableSynic(0, 2)
    guest.enableSynic(0, 4)
    const { ports } = guest.partition
    expect(ports.postMessage(0, 2, 1, payload)).toBe('delivered')
    expect(ports.postMessage(0, 4, 1, payload)).toBe('delivered')
    expect(ports.postMessage(0, 4, 1, payload)).toBe('queued')
    expect(guest.takeMessage(0, 2)).toBeDefined()
    expect(guest.takeMessage(0, 4)).toBeDefined()
    expect(guest.takeMessage(0, 4)).toBeDefined()
  })

  it('[DS-05] say how long they are, whatever an older message left in the slot', () => {
    const guest = new TestGuest()
    guest.enableSynic()
    guest.partition.ports.postMessage(0, SINT, 1, new Uint8Array(240).fill(0xaa))
    expect(guest.takeMessage()?.payload.length).toBe(240)
    guest.partition.ports.postMessage(0, SINT, 1, Uint8Array.of(1))
    expect(guest.takeMessage()).toEqual({ type: 1, payload: Uint8Array.of(1) })
    guest.partition.ports.postMessage(0, SINT, 1, new Uint8Array(0))
    expect(guest.takeMessage()?.payload.length).toBe(0)
  })

  it('[DS-05] are copied when they are posted', () => {
    const guest = new TestGuest()
    guest.enableSynic()
    const { ports } = guest.partition
    const source = Uint8Array.of(1, 2)
    ports.postMessage(0, SINT, 1, payload)
    ports.postMessage(0, SINT, 1, source)
    source.fill(0xee)
    guest.takeMessage()
    expect(guest.takeMessage()?.payload).toEqual(Uint8Array.of(1, 2))
  })

  it('[DS-10] arrive when the guest empties its slot without an end of message, as the next one is posted', () => {
    const guest = new TestGuest()
    guest.enableSynic()
    const { ports } = guest.partition
    ports.postMessage(0, SINT, 1, payload)
    const slot = guest.memory.viewAt(guest.synicPages(0).message + SINT * synicMessage.size, synicMessage.size)
    synicMessageHeader.message_type.set(slot, 0, 0)
    expect(ports.postMessage(0, SINT, 2, payload)).toBe('delivered')
    expect(guest.takeMessage()?.type).toBe(2)
  })
})

describe('interrupts', () => {
  it('hold back their class and those below until the end of interrupt, without auto-EOI', async () => {
    const guest = new TestGuest()
    guest.enableSynic(0, SINT, 0)
    const { ports } = guest.partition
    ports.signalEvent(0, SINT, 1)
    await guest.clock.run()
    ports.signalEvent(0, SINT, 2)
    await guest.clock.run()
    expect(guest.interrupts.length).toBe(1)
    guest.partition.writeMsr(0, Msr.EOI, 0n)
    await guest.clock.run()
    expect(guest.interrupts.length).toBe(2)
  })

  it('wait for the task priority', async () => {
    const guest = new TestGuest()
    guest.enableSynic()
    guest.partition.writeMsr(0, Msr.TPR, 0xf0n)
    guest.partition.ports.signalEvent(0, SINT, 1)
    await guest.clock.run()
    expect(guest.interrupts).toEqual([])
    guest.partition.writeMsr(0, Msr.TPR, 0n)
    await guest.clock.run()
    expect(guest.interrupts.length).toBe(1)
  })

  it('of higher vectors come first', async () => {
    const guest = new TestGuest()
    const order: number[] = []
    for (const vector of [0x40, 0x90, 0x50]) guest.partition.setVector(0, vector, () => order.push(vector))
    for (const vector of [0x40, 0x90, 0x50]) guest.partition.writeMsr(0, Msr.ICR, BigInt(vector) | (1n << 18n))
    await guest.clock.run()
    expect(order).toEqual([0x90])
    guest.partition.writeMsr(0, 0x80b, 0n)
    await guest.clock.run()
    guest.partition.writeMsr(0, Msr.EOI, 0n)
    await guest.clock.run()
    expect(order).toEqual([0x90, 0x50, 0x40])
  })

  it('go on after a service routine that throws', async () => {
    const guest = new TestGuest()
    guest.enableSynic()
    let calls = 0
    guest.partition.setVector(0, VECTOR, () => {
      if (++calls === 1) throw new Error('bug in the guest')
    })
    guest.partition.ports.signalEvent(0, SINT, 1)
    await expect(guest.clock.run()).rejects.toThrow('bug in the guest')
    guest.partition.ports.signalEvent(0, SINT, 2)
    await guest.clock.run()
    expect(calls).toBe(2)
  })

  it('without a service routine are counted', async () => {
    const guest = new TestGuest()
    guest.enableSynic()
    guest.partition.setVector(0, VECTOR, undefined)
    guest.partition.ports.signalEvent(0, SINT, 1)
    await guest.clock.run()
    expect(guest.partition.statistics.spuriousInterrupts).toBe(1)
  })
})

describe('reset and disabled pages', () => {
  it('[DS-12] show the plain memory of the guest again after a reset, and forget what was queued', async () => {
    const guest = new TestGuest({ processorCount: 2 })
    const root = recordingRoot()
    guest.partition.ports.connect(root)
    const { message, events } = guest.synicPages(1)
    for (const gpa of [0x20_0000, message, events]) guest.memory.bytesAt(gpa, PAGE_SIZE).fill(0x5a)
    guest.enableHypercalls()
    guest.enableSynic(1)
    const { ports } = guest.partition
    ports.signalEvent(1, SINT, 3)
    ports.postMessage(1, SINT, 1, payload)
    ports.postMessage(1, SINT, 1, payload)
    guest.partition.reset()
    await guest.clock.run()
    for (const gpa of [0x20_0000, message, events]) {
      expect(guest.memory.bytesAt(gpa, PAGE_SIZE).every((byte) => byte === 0x5a)).toBe(true)
    }
    expect(guest.interrupts).toEqual([])
    expect(root.notes).toEqual(['reset'])
    expect(ports.signalEvent(1, SINT, 4)).toBe('masked')
    guest.enableSynic(1)
    expect(guest.takeMessage(1)).toBeUndefined()
    expect(guest.partition.readMsr(1, sintMsr(3))).toBe(sintRegister.encode({ masked: 1 }))
  })

  it('[DS-18] never write to a page again once it is disabled', async () => {
    const guest = new TestGuest()
    guest.enableHypercalls()
    guest.enableSynic()
    const pages = [0x20_0000, guest.synicPages(0).message, guest.synicPages(0).events, 0x30_0000, 0x30_1000]
    guest.partition.writeMsr(0, Msr.VP_ASSIST_PAGE, 0x30_0001n)
    guest.partition.writeMsr(0, Msr.REFERENCE_TSC, 0x30_1001n)
    expect(guest.partition.overlayPages).toBe(5)
    const { ports } = guest.partition
    ports.postMessage(0, SINT, 1, payload)
    ports.postMessage(0, SINT, 1, payload)
    for (const msr of [Msr.HYPERCALL, Msr.SIMP, Msr.SIEFP, Msr.VP_ASSIST_PAGE, Msr.REFERENCE_TSC]) {
      guest.partition.writeMsr(0, msr, 0n)
    }
    expect(guest.partition.overlayPages).toBe(0)
    for (const gpa of pages) guest.memory.bytesAt(gpa, PAGE_SIZE).fill(0xc3)
    ports.signalEvent(0, SINT, 1)
    ports.postMessage(0, SINT, 1, payload)
    guest.partition.writeMsr(0, Msr.EOM, 0n)
    guest.partition.migrateTsc(2_000_000_000, 0n)
    guest.partition.reset()
    await guest.clock.run()
    for (const gpa of pages) {
      expect(guest.memory.bytesAt(gpa, PAGE_SIZE).every((byte) => byte === 0xc3)).toBe(true)
    }
  })

  it('[DS-18] follow a page that moves', () => {
    const guest = new TestGuest()
    guest.enableSynic()
    const { message } = guest.synicPages(0)
    guest.partition.writeMsr(0, Msr.SIMP, 0x30_0001n)
    expect(guest.partition.ports.postMessage(0, SINT, 1, payload)).toBe('delivered')
    expect(guest.memory.bytesAt(message, PAGE_SIZE).every((byte) => byte === 0)).toBe(true)
    expect(guest.memory.viewAt(0x30_0000 + SINT * 256, 4).getUint32(0, true)).toBe(1)
  })

  it('keep the memory of the guest when overlays lie on each other', () => {
    const guest = new TestGuest()
    guest.memory.bytesAt(0x30_0000, PAGE_SIZE).fill(0x77)
    const { partition } = guest
    partition.writeMsr(0, Msr.SIMP, 0x30_0001n)
    partition.writeMsr(0, Msr.SIEFP, 0x30_0001n)
    partition.writeMsr(0, Msr.SIMP, 0n)
    expect(guest.memory.bytesAt(0x30_0000, 1)[0]).toBe(0)
    partition.writeMsr(0, Msr.SIEFP, 0n)
    expect(guest.memory.bytesAt(0x30_0000, PAGE_SIZE).every((byte) => byte === 0x77)).toBe(true)
  })

  it('[DS-15] find processors by their VP index only', () => {
    const guest = new TestGuest({ vpIndices: [7, 0, 4] })
    for (const [cpu, index] of [7n, 0n, 4n].entries()) expect(guest.partition.readMsr(cpu, Msr.VP_INDEX)).toBe(index)
    guest.enableSynic(0)
    expect(guest.partition.ports.signalEvent(7, SINT, 1)).toBe('delivered')
    expect(guest.partition.ports.signalEvent(0, SINT, 1)).toBe('masked')
    for (const vp of [1, 2, 3, 5, 6, 8]) expect(guest.partition.ports.signalEvent(vp, SINT, 1)).toBe('invalid')
  })
})
