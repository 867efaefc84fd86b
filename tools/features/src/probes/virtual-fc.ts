import { diskUnit, fibreChannelAdapter, hostRelease } from '@bis/host'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { disk, exercise, powerOn, ramDisk } from '../guest.ts'

/** The adapter shows its world-wide names, and a LUN behind it reads and writes. */
export const virtualFibreChannel: Probe = async (cell) => {
  const release = hostRelease(cell.host)
  const names = {
    port: Uint8Array.of(0xc0, 3, 0xff, 0, 0, 0, 0, 1),
    node: Uint8Array.of(0xc0, 3, 0xff, 0, 0, 0, 0xff, 0xff),
  }
  const backend = ramDisk()
  const adapter = fibreChannelAdapter({ release, instanceId: '2f9bcc4a-0000-4000-8000-000000000001', names })
  adapter.target.attach({ path: 0, target: 3, lun: 7 }, diskUnit(backend, { release }))
  await using machine = await powerOn(cell, { devices: [adapter] })
  const line = machine.kernel.dmesg.lines.find(({ text }) => /WWN/.test(text))?.text ?? ''
  want(line === 'storvsc0: port WWN c003ff0000000001, node WWN c003ff000000ffff', `dmesg says ${JSON.stringify(line)}`)
  await exercise(disk(machine), 8192, 131_072, 1, backend)
  return {
    did: 'attached an HBA with a disk at target 3 LUN 7',
    saw: `${line}; the host has what the guest wrote, and the guest reads it`,
  }
}
