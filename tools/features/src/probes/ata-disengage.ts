import { DvdUnit, gen1Chipset, hostRelease, ideDisk } from '@bis/host'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { allModules, disk, exercise, powerOn, ramDisk } from '../guest.ts'

/** Without the driver each IDE disk shows twice, with it once; the optical drive stays. */
export const ataDisengage: Probe = async (cell) => {
  const { disk: ide, optical } = cell.profile.kernel.ideNames.value
  const seen = async (modules: ReturnType<typeof allModules>, tunables = {}): Promise<string> => {
    const backends = [ramDisk(), ramDisk()]
    const place = (i: number) => ({ channel: 0, device: i === 0 ? 0 : 1 }) as const
    const devices = backends.map((backend, i) => ideDisk({ release: hostRelease(cell.host), backend, ...place(i) }))
    const chipset = gen1Chipset([
      ...backends.map((backend, i) => ({ ...place(i), drive: { disk: backend } })),
      { channel: 1, device: 0, drive: { optical: new DvdUnit() } },
    ])
    await using machine = await powerOn(cell, { generation: 1, devices, chipset, modules, tunables })
    for (const name of machine.kernel.disks.list().map((item) => item.name)) {
      if (!name.startsWith(optical)) await exercise(disk(machine, name), 4096, 4096)
    }
    const names = machine.kernel.disks.list().map(({ name }) => name)
    return names
      .map((name) => (name.startsWith(optical) ? optical : name))
      .sort()
      .join(' ')
  }
  const both = [optical, `${ide}0`, `${ide}1`, 'da0', 'da1'].sort().join(' ')
  const once = [optical, 'da0', 'da1'].sort().join(' ')
  const ata = [optical, `${ide}0`, `${ide}1`].sort().join(' ')
  const without = await seen(allModules().filter(({ name }) => name !== 'hv_ata_pci_disengage'))
  want(without === both, `without the driver: ${without}`)
  const engaged = await seen(allModules())
  want(engaged === once, `with the driver: ${engaged}`)
  const left = await seen(allModules(), { 'hw.ata.disk_enable': '1' })
  want(left === ata, `with hw.ata.disk_enable: ${left}`)
  return {
    did: 'booted with two IDE disks and a drive: without the driver, with it, and with hw.ata.disk_enable',
    saw: `${without}; ${engaged}; ${left}`,
  }
}
