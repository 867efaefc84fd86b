import { HOST_RELEASES, Host } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { Machine } from '../src/index.ts'

const VMBUS_VERSIONS = {
  '2008r2': '1.1',
  2012: '2.4',
  '2012r2': '3.0',
  2016: '4.0',
  2019: '5.2',
  2022: '5.3',
  2025: '6.0',
}

const dmesg = (machine: Machine): string => machine.kernel.dmesg.lines.map(({ text }) => text).join('\n')

describe('a machine', () => {
  for (const release of HOST_RELEASES) {
    it(`boots on ${release} with that release's VMBus version, and leaves nothing when it is off`, async () => {
      const machine = await Machine.powerOn({ release, processorCount: 2 })
      expect(dmesg(machine)).toContain(`version ${VMBUS_VERSIONS[release]}`)
      expect(machine.tree.find('vmbus0')?.state).toBe('attached')
      await machine.powerOff()
      expect(machine.partition.overlayPages).toBe(0)
      expect(machine.kernel.pages.allocatedPages).toBe(0)
      expect(machine.kernel.pages.leakedPages).toBe(0)
      expect(await machine.off).toEqual({ request: 'host', reason: 'switched off' })
    })
  }

  it('is one of several guests of a host', async () => {
    await using host = new Host({ release: '2022', clock: systemClock })
    await using first = await Machine.powerOn({}, host)
    await using second = await Machine.powerOn({}, host)
    expect(host.guests).toHaveLength(2)
    await first.powerOff()
    expect(host.guests).toEqual([second.server])
    expect(second.tree.find('vmbus0')?.state).toBe('attached')
  })

  it('switches itself off when a driver asks for it', async () => {
    const machine = await Machine.powerOn()
    expect(machine.kernel.requestPower('hibernate', 'test')).toBe(false)
    expect(machine.kernel.requestPower('power-off', 'enough')).toBe(true)
    expect(await machine.off).toEqual({ request: 'power-off', reason: 'enough' })
  })

  it('[OP-09] attaches no bus where there is no Hyper-V', async () => {
    await using machine = await Machine.powerOn({ partition: { hypervisorPresent: false } })
    expect(machine.tree.find('vmbus0')).toBeUndefined()
    expect(dmesg(machine)).toMatch(/attach failed/)
  })
})
