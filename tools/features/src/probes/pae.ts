import { guestOptions } from '@bis/hyperv-is'
import type { PageRun } from '@bis/hyperv-types'
import type { MachineOptions } from '@bis/machine'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, controllerWith, disk, frameOf, Lan, MIB, network, pattern, powerOn, ramDisk, same } from '../guest.ts'

const FOUR_GIB = 2 ** 32

/** All that the guest shares with its host, rings and buffers, lies above 4 GiB, and disk and NIC work. */
export const pae: Probe = async (cell) => {
  const backend = ramDisk()
  await using lan = new Lan(cell)
  const peer = await lan.guest()
  const runs: PageRun[] = []
  const { adaptKernel: adapt }: MachineOptions = guestOptions(cell.profile)
  const adaptKernel: MachineOptions['adaptKernel'] = (kernel) => {
    const { pages } = kernel
    const allocate = pages.allocate.bind(pages)
    pages.allocate = (count, constraint) => {
      const run = allocate(count, constraint)
      runs.push(run)
      return run
    }
    return adapt?.(kernel) ?? kernel
  }
  const devices = [controllerWith(cell, backend), lan.adapter()]
  await using machine = await powerOn(cell, { devices, gapBase: 8 * MIB, adaptKernel })
  const { pages } = machine.kernel
  const low = runs.filter(({ gpa }) => gpa < FOUR_GIB)
  want(low.length === 0 && runs.length > 0, `${low.length} of ${runs.length} allocations lie below 4 GiB`)
  const gpadls = machine.server.channels().reduce((sum, channel) => sum + channel.gpadls, 0)
  want(gpadls >= 2, `the host has ${gpadls} rings and buffers`)
  const run = pages.allocate(16)
  const data = pattern(run.bytes.length)
  run.bytes.set(data)
  await disk(machine).write(0, run.bytes)
  const seen = new Uint8Array(data.length)
  await backend.read(0, seen)
  want(same(seen, data), "the host's disk has other bytes")
  run.bytes.fill(0)
  await disk(machine).read(0, run.bytes)
  want(same(run.bytes.slice(), data), 'the buffer has other bytes')
  const at = run.gpa.toString(16)
  pages.free(run)
  const net = network(machine)
  for (const [from, to] of [
    [net, peer.net],
    [peer.net, net],
  ] as const) {
    const got = collect(to)
    const frame = frameOf(to.settings.address, from.settings.address, 1400)
    from.transmit(frame, 0, frame.length)
    await until(() => got.length === 1, 'a frame')
    want(same(got[0]?.bytes ?? seen, frame), 'a frame has other bytes')
  }
  return {
    did: 'gave the guest memory above 4 GiB for all of its rings and buffers, used disk and NIC',
    saw: `${runs.length} allocations, ${gpadls} of them shared with the host, none below 4 GiB; I/O from a buffer at 0x${at}; frames both ways`,
  }
}
