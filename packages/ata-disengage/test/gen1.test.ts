import type { IdePlace } from '@bis/host'
import { DvdUnit, gen1Chipset, HOST_RELEASES, hostRelease, ideDisk, RamDisk } from '@bis/host'
import type { Driver } from '@bis/hyperv-types'
import type { MachineOptions } from '@bis/machine'
import { Machine } from '@bis/machine'
import { storvsc } from '@bis/storvsc'
import { describe, expect, it } from 'vitest'
import { ataDisengage } from '../src/index.ts'

const storage = { name: 'hv_storvsc', drivers: [storvsc()], dependencies: ['hv_vmbus'] }
const disengage = { name: 'hv_ata_pci_disengage', drivers: [ataDisengage() as unknown as Driver] }
const MIB = 2 ** 20

/** Two IDE disks on the first channel, an optical drive with a medium on the second. */
function ide(release: (typeof HOST_RELEASES)[number] = '2025') {
  const disks = [new RamDisk({ sizeBytes: 4 * MIB }), new RamDisk({ sizeBytes: 8 * MIB })] as const
  const medium = new RamDisk({ sizeBytes: MIB, logicalSectorSize: 512 })
  medium.write(32 * 2048, new TextEncoder().encode('CD001'.padEnd(2048, '.')))
  const optical: IdePlace = { channel: 1, device: 0, drive: { optical: new DvdUnit({ medium }) } }
  const devices = disks.map((backend, i) =>
    ideDisk({ release: hostRelease(release), backend, channel: 0, device: i === 0 ? 0 : 1 }),
  )
  const places = disks.map((disk, i): IdePlace => ({ channel: 0, device: i === 0 ? 0 : 1, drive: { disk } }))
  return { disks, devices, chipset: gen1Chipset([...places, optical]) }
}

async function boot(options: MachineOptions = {}): Promise<Machine> {
  const { devices, chipset } = ide(options.release)
  return Machine.powerOn({ generation: 1, devices, chipset, ...options })
}

const names = (machine: Machine): string[] =>
  machine.kernel.disks
    .list()
    .map(({ name }) => name)
    .sort()

describe.each(HOST_RELEASES)('a generation 1 machine on %s', (release) => {
  it('sees each IDE disk twice without the driver, once with it, and the optical drive always', async () => {
    await using plain = await boot({ release, modules: [storage] })
    expect(names(plain)).toEqual(['ada0', 'ada1', 'cd0', 'da0', 'da1'])
    await using engaged = await boot({ release, modules: [disengage, storage] })
    expect(names(engaged)).toEqual(['cd0', 'da0', 'da1'])
  })
})

describe('hw.ata.disk_enable', () => {
  it.each(['0', '1', '7', '0x10'])('%s leaves the disks to the ATA driver', async (value) => {
    await using machine = await boot({ modules: [disengage, storage], tunables: { 'hw.ata.disk_enable': value } })
    expect(names(machine)).toEqual(['ada0', 'ada1', 'cd0'])
  })

  it('that is no number counts for nothing', async () => {
    await using machine = await boot({ modules: [disengage, storage], tunables: { 'hw.ata.disk_enable': 'YES' } })
    expect(names(machine)).toEqual(['cd0', 'da0', 'da1'])
  })
})

describe('the driver', () => {
  it('leaves machines without Hyper-V alone', async () => {
    const { chipset } = ide()
    await using machine = await Machine.powerOn({
      generation: 1,
      chipset,
      modules: [disengage],
      partition: { hypervisorPresent: false },
    })
    expect(machine.kernel.sysctl.get('kern.vm_guest')).toBe('none')
    expect(names(machine)).toEqual(['ada0', 'ada1', 'cd0'])
  })

  it('unloads and loads again while the rest runs', async () => {
    await using machine = await boot({ modules: [disengage, storage] })
    await machine.tree.unload('hv_ata_pci_disengage')
    expect(names(machine)).toEqual(['cd0', 'da0', 'da1'])
    await machine.tree.load(disengage)
    expect(names(machine)).toEqual(['cd0', 'da0', 'da1'])
    expect(machine.tree.find('ata_disengage1')?.state).toBe('attached')
  })
})

describe('the ATA driver and the emulated controller', () => {
  it('show the devices of the chipset', async () => {
    await using machine = await boot()
    const found = machine.tree.devices().filter(({ location }) => location.startsWith('pci0'))
    expect(found.map(({ location, pnpinfo }) => `${location} ${pnpinfo}`)).toEqual([
      'pci0:0:0:0 vendor=0x8086 device=0x7192 class=0x060000',
      'pci0:0:7:0 vendor=0x8086 device=0x7110 class=0x060100',
      'pci0:0:7:1 vendor=0x8086 device=0x7111 class=0x010180',
      'pci0:0:7:3 vendor=0x8086 device=0x7113 class=0x068000',
      'pci0:0:8:0 vendor=0x1414 device=0x5353 class=0x030000',
    ])
    expect(machine.kernel.disks.get('ada0')?.description).toBe('Virtual HD 1.1.0')
  })

  it('read and write the same sectors as the accelerated channel', async () => {
    const { devices, chipset } = ide()
    await using machine = await Machine.powerOn({ generation: 1, devices, chipset, modules: [storage] })
    const slow = machine.kernel.disks.get('ada1')
    const fast = machine.kernel.disks.get('da1')
    if (slow === undefined || fast === undefined) throw new Error('the disks are not there')
    expect(slow.geometry.blockCount).toBe(fast.geometry.blockCount)
    const data = Uint8Array.from({ length: 300 * 512 }, (_, i) => (i * 7 + (i >> 9)) & 0xff)
    await slow.write(MIB, data)
    await slow.flush()
    const back = new Uint8Array(data.length)
    await fast.read(MIB, back)
    expect(back).toEqual(data)
    back.fill(0)
    await slow.read(MIB, back)
    expect(back).toEqual(data)
    await expect(slow.read(8 * MIB, new Uint8Array(512))).rejects.toMatchObject({ code: 'out-of-range' })
  })

  it('read the optical drive', async () => {
    await using machine = await boot()
    const drive = machine.kernel.disks.get('cd0')
    const block = new Uint8Array(40 * 2048)
    await drive?.read(0, block)
    expect(new TextDecoder().decode(block.subarray(32 * 2048, 32 * 2048 + 5))).toBe('CD001')
    expect(drive?.geometry).toMatchObject({ blockSize: 2048, blockCount: 512, readOnly: true })
  })

  it('keep the names of the places where the kernel has them so', async () => {
    const disk = new RamDisk({ sizeBytes: MIB })
    const chipset = gen1Chipset([
      { channel: 1, device: 1, drive: { disk } },
      { channel: 0, device: 0, drive: { optical: new DvdUnit() } },
    ])
    const ideNames = { disk: 'ad', optical: 'acd', fixed: true }
    await using machine = await Machine.powerOn({ generation: 1, chipset, ideNames })
    expect(names(machine)).toEqual(['acd0', 'ad3'])
  })
})

describe('a generation 2 machine', () => {
  it('has none of these', async () => {
    await using machine = await Machine.powerOn({ modules: [disengage, storage] })
    expect(machine.partition.io).toBeUndefined()
    expect(machine.tree.devices().filter(({ location }) => /pci|channel=/.test(location))).toEqual([])
    await expect(Machine.powerOn({ chipset: gen1Chipset([]) })).rejects.toThrow(/generation 2/)
  })
})
