import { diskUnit, HOST_RELEASES, hostRelease, ideDisk, RamDisk, scsiController } from '@bis/host'
import { Machine } from '@bis/machine'
import { describe, expect, it } from 'vitest'
import { storvsc } from '../src/index.ts'
import { MIB, pattern, settingsOf } from './support/bench.ts'

const modules = [{ name: 'hv_storvsc', drivers: [storvsc()], dependencies: ['hv_vmbus'] }]

describe('over the whole machine', () => {
  it.each(HOST_RELEASES)('a disk of a %s host is read and written', async (release) => {
    const settings = { release: hostRelease(release), instanceId: 'f8b3781a-1e82-4818-a1c3-63d806ec15bb' }
    const controller = scsiController(settings)
    const ram = new RamDisk({ sizeBytes: 4 * MIB })
    controller.target.attach({ path: 0, target: 0, lun: 0 }, diskUnit(ram, settings))
    await using machine = await Machine.powerOn({ release, modules, devices: [controller], processorCount: 4 })
    const lines = machine.kernel.dmesg.lines.map(({ text }) => text)
    const newest = Math.max(...settings.release.vstorVersions)
    expect(lines.join('\n')).toContain(`VSTOR version ${newest >>> 8}.${newest & 0xff}`)
    const disk = machine.kernel.disks.get('da0')
    if (disk === undefined) throw new Error(lines.join('\n'))
    const data = pattern(1_000_448)
    await disk.write(512, data)
    await disk.flush()
    const back = new Uint8Array(data.length)
    await disk.read(512, back)
    expect(Buffer.compare(back, data)).toBe(0)
  })

  it('disks are named in the order of their controllers', async () => {
    const settings = settingsOf()
    const many = scsiController({ ...settings, instanceId: 'f8b3781a-1e82-4818-a1c3-63d806ec15bb' })
    for (const lun of [0, 1, 2]) {
      many.target.attach({ path: 0, target: 0, lun }, diskUnit(new RamDisk({ sizeBytes: MIB }), settings))
    }
    const { release } = settings
    const ide = ideDisk({ release, channel: 0, device: 0, backend: new RamDisk({ sizeBytes: 2 * MIB }) })
    await using machine = await Machine.powerOn({ modules, devices: [many, ide], generation: 1 })
    const lines = machine.kernel.dmesg.lines.map(({ text }) => text)
    expect(lines.filter((line) => / at (blk|stor)vsc/.test(line))).toEqual([
      'da0 at blkvsc0 bus 0 scbus0 target 0 lun 0',
      'da1 at storvsc1 bus 0 scbus1 target 0 lun 0',
      'da2 at storvsc1 bus 0 scbus1 target 0 lun 1',
      'da3 at storvsc1 bus 0 scbus1 target 0 lun 2',
    ])
    await machine.plug(scsiController({ ...settings, instanceId: 'f8b3781b-1e82-4818-a1c3-63d806ec15bb' }))
  })

  it('a controller that is taken away under load leaves nothing behind', async () => {
    const settings = { ...settingsOf(), instanceId: 'f8b3781a-1e82-4818-a1c3-63d806ec15bb' }
    const controller = scsiController(settings)
    controller.target.attach({ path: 0, target: 0, lun: 0 }, diskUnit(new RamDisk({ sizeBytes: MIB }), settings))
    await using machine = await Machine.powerOn({ modules, processorCount: 2 })
    const before = machine.kernel.pages.allocatedPages
    const port = machine.plug(controller)
    await expect.poll(() => machine.kernel.disks.get('da0')).toBeDefined()
    const disk = machine.kernel.disks.get('da0')
    const reads = Promise.allSettled(Array.from({ length: 500 }, () => disk?.read(0, new Uint8Array(4096))))
    await port.revoke()
    await reads
    await expect.poll(() => machine.kernel.pages.allocatedPages).toBe(before)
    expect(machine.kernel.disks.list()).toEqual([])
  })
})
