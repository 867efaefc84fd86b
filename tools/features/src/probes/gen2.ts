import { gen1Chipset } from '@bis/host'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { controllerWith, disk, exercise, powerOn, ramDisk } from '../guest.ts'

const LEGACY = /^(pci|atapci|ata|ada|ad|cd|acd|ata_disengage)\d/

/** Boots with no legacy device; the disengagement finds nothing to do. */
export const gen2: Probe = async (cell) => {
  await using machine = await powerOn(cell, { generation: 2, devices: [controllerWith(cell, ramDisk())] })
  const names = machine.tree.devices().map(({ nameunit }) => nameunit)
  want(!names.some((name) => LEGACY.test(name)), `legacy devices: ${names.join()}`)
  want(machine.partition.io === undefined, 'the machine has I/O ports')
  await exercise(disk(machine), 0, 65_536)
  return { did: 'booted a generation 2 machine', saw: `${names.join(' ')}: no PCI, no IDE; the disk works` }
}

export const gen1Only: Probe = async (cell) => {
  const options = { generation: 1, devices: [controllerWith(cell, ramDisk())], chipset: gen1Chipset([]) } as const
  await using machine = await powerOn(cell, options)
  want(machine.tree.find('pci0') !== undefined, 'a generation 1 machine without PCI bus')
  await exercise(disk(machine), 0, 65_536)
  return { did: 'booted a generation 1 machine', saw: 'PCI bus and SCSI disk are there' }
}
