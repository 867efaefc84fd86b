import type { Probe, ProbeCell } from '../feature.ts'
import { until, want } from '../feature.ts'
import type { LanGuest } from '../guest.ts'
import { collect, Lan, macOf } from '../guest.ts'
import { flowFrame } from '../tcp.ts'

const FLOWS = 64

interface Used {
  readonly channels: number
  readonly processors: readonly (number | undefined)[]
  readonly arrived: number
}

async function traffic(cell: ProbeCell): Promise<Used> {
  await using lan = new Lan(cell)
  const processors = { processorCount: 4 }
  const a = await lan.guest({}, processors)
  const b = await lan.guest({}, processors)
  const got = collect(b.net)
  const open = channelsOf(b)
  const before = open.map(({ statistics }) => statistics?.packetsSent ?? 0)
  const sent = channelsOf(a).map(({ statistics }) => statistics?.packetsReceived ?? 0)
  for (let port = 1; port <= FLOWS; port++) {
    const frame = flowFrame(macOf(2), macOf(1), port)
    a.net.transmit(frame, 0, frame.length)
  }
  await until(() => got.length === FLOWS, 'all frames')
  const after = channelsOf(b).map(({ statistics }) => statistics?.packetsSent ?? 0)
  want(
    after.every((count, i) => count > (before[i] ?? 0)),
    `the host's packets on the channels: ${after.join()}, before ${before.join()}`,
  )
  const queues = new Set(got.map(({ queue }) => queue))
  want(queues.size === open.length, `the guest received on channels ${[...queues].join()} of ${open.length}`)
  const asked = channelsOf(a).map(({ statistics }) => statistics?.packetsReceived ?? 0)
  want(
    asked.every((count, i) => count > (sent[i] ?? 0)),
    `the guest's packets on the channels: ${asked.join()}, before ${sent.join()}`,
  )
  return { channels: open.length, processors: open.map(({ targetVp }) => targetVp), arrived: got.length }
}

function channelsOf({ machine, adapter }: LanGuest) {
  const { instanceId } = adapter.offer
  return machine.server.channels().filter((other) => other.instanceId === instanceId && other.device === 'open')
}

/** Primary and sub-channels open, on different virtual processors, with traffic on each. */
export const multichannel: Probe = async (cell) => {
  const { channels, processors, arrived } = await traffic(cell)
  want(channels === 4, `${channels} channels on four processors`)
  want(new Set(processors).size === 4, `channels on processors ${processors.join()}`)
  return {
    did: `sent ${FLOWS} flows between NICs of guests with four processors`,
    saw: `host has four open channels on processors ${processors.join(', ')}, packets on each both ways, ${arrived} frames arrived`,
  }
}

export const oneChannel: Probe = async (cell) => {
  const { channels, arrived } = await traffic(cell)
  want(channels === 1, `${channels} channels where the host offers one`)
  return { did: `sent ${FLOWS} flows to a NIC of a guest with four processors`, saw: `one channel, ${arrived} arrived` }
}
