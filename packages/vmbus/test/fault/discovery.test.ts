import { Msr, Privilege, sintMsr, sintRegister } from '@bis/hyperv-types/hypervisor'
import { describe, expect, it, vi } from 'vitest'
import { createMachine, leftovers, NOTHING_LEFT, RINGS, testDriver } from '../machine.ts'

describe('discovery', () => {
  it('[DS-01] touches nothing on a machine it cannot use', async () => {
    const off = { privileges: Privilege.SYNIC }
    const machine = await createMachine({ partition: { features: { off } } })
    const writes = vi.spyOn(machine.partition, 'writeMsr')
    const calls = vi.spyOn(machine.partition, 'hypercall')
    const device = await machine.boot()
    expect(device.failure).toMatchObject({ code: 'not-supported', message: 'not usable: missing the SynIC registers' })
    expect([writes.mock.calls.length, calls.mock.calls.length]).toEqual([0, 0])
    expect(machine.dmesg().filter((line) => line.includes('not usable'))).toHaveLength(1)
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('[DS-03] waits for nothing when there is no VMBus node', async () => {
    const machine = await createMachine({ partition: { vmbus: false } })
    const after = vi.spyOn(machine.clock, 'after')
    const device = await machine.boot()
    expect(device.failure?.message).toBe('not usable: the firmware has no VMBus node')
    expect(after).not.toHaveBeenCalled()
  })

  it('[DS-02] brings up every device when there is no MMIO at all', async () => {
    const machine = await createMachine({ partition: { mmio: [], framebuffer: null }, drivers: [testDriver()] })
    machine.root.offers.push({ channelId: 1 })
    await machine.boot()
    expect(machine.tree.find('test0')?.state).toBe('attached')
  })

  it('[DS-04] gives back every page whichever allocation fails, on 8 processors', async () => {
    const counting = await createMachine({ partition: { processorCount: 8 } })
    const spy = vi.spyOn(counting.pages, 'allocate')
    await counting.boot()
    const allocations = spy.mock.calls.length
    expect(allocations).toBeGreaterThan(16)
    for (let failing = 1; failing <= allocations; failing++) {
      const machine = await createMachine({ partition: { processorCount: 8 } })
      const allocate = machine.pages.allocate.bind(machine.pages)
      let count = 0
      vi.spyOn(machine.pages, 'allocate').mockImplementation((pages, constraint) => {
        if (++count === failing) throw new Error('out of pages')
        return allocate(pages, constraint)
      })
      const device = await machine.boot()
      expect(device.failure?.message, `allocation ${failing}`).toBe('out of pages')
      expect(await leftovers(machine), `allocation ${failing}`).toEqual(NOTHING_LEFT)
    }
  })

  it('[DS-07] survives interrupts for channels of a former system, before, during and after the connect', async () => {
    const machine = await createMachine()
    machine.root.maxVersion = 1
    for (let flag = 0; flag < 2048; flag += 7) machine.root.signal(flag)
    const booting = machine.boot()
    for (let flag = 0; flag < 2048; flag += 5) machine.root.signal(flag)
    const device = await booting
    expect(device.state).toBe('failed')
    for (let flag = 0; flag < 2048; flag += 3) machine.root.signal(flag)
    await machine.clock.run()
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })

  it('[DS-17] sets auto-EOI unless the host deprecates it, and ends interrupts by hand then', async () => {
    for (const [release, autoEoi] of [
      ['2016', 1],
      ['2025', 0],
    ] as const) {
      const machine = await createMachine({ partition: { release } })
      const writes = vi.spyOn(machine.partition, 'writeMsr')
      await machine.boot()
      expect(sintRegister.decode(machine.partition.readMsr(0, sintMsr(2)))).toMatchObject({
        auto_eoi: autoEoi,
        masked: 0,
      })
      const ends = writes.mock.calls.filter(([, msr]) => msr === Msr.EOI).length
      expect(ends > 0).toBe(autoEoi === 0)
    }
  })

  it('[DS-18] leaves no page with the hypervisor when it stops', async () => {
    const machine = await createMachine({ partition: { processorCount: 3 } })
    await machine.boot()
    expect(machine.partition.overlayPages).toBeGreaterThan(6)
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
    for (let cpu = 0; cpu < 3; cpu++) {
      for (const msr of [Msr.SIMP, Msr.SIEFP, Msr.SCONTROL, Msr.HYPERCALL, Msr.REFERENCE_TSC]) {
        expect(machine.partition.readMsr(cpu, msr) & 1n).toBe(0n)
      }
    }
    const canary = machine.pages.allocate(32)
    canary.bytes.fill(0xc5)
    machine.root.signal(1)
    machine.root.send('UNLOAD_RESPONSE', {})
    await machine.clock.run()
    expect(canary.bytes.every((byte) => byte === 0xc5)).toBe(true)
  })

  it('[DS-15] names virtual processors by their index, not by the number of the processor', async () => {
    const machine = await createMachine({
      partition: { vpIndices: [5, 0, 9, 2] },
      drivers: [testDriver({ attach: (channel) => channel.open({ ...RINGS, cpu: 2 }) })],
    })
    machine.root.offers.push({ channelId: 1 })
    await machine.boot()
    expect(machine.root.last('INITIATE_CONTACT').body.target_vcpu).toBe(5)
    expect(machine.root.last('OPEN_CHANNEL').body.target_vp).toBe(9)
    const moving = machine.channel(1).setCpu(3)
    await machine.clock.run()
    await moving
    expect(machine.root.last('MODIFY_CHANNEL').body.target_vp).toBe(2)
  })

  it('[DS-20] runs on one processor with little memory and the smallest rings', async () => {
    const machine = await createMachine({
      memoryPages: 20,
      drivers: [testDriver({ attach: (channel) => channel.open(RINGS) })],
    })
    machine.root.offers.push({ channelId: 1 })
    await machine.boot()
    expect(machine.channel(1).state).toBe('open')
    expect(await leftovers(machine)).toEqual(NOTHING_LEFT)
  })
})
