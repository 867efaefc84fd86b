import { TransmitStatus } from '@bis/hyperv-types'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import type { LanGuest } from '../guest.ts'
import { channelOf, collect, frameOf, Lan, macOf } from '../guest.ts'

const FRAMES = 4000
const BURST = 50
const LIMIT_MS = 15_000

/** Signals that the host gave the guest of a NIC. */
function hostEnd({ machine, adapter }: LanGuest): number {
  const all = machine.server.channels().filter(({ instanceId }) => instanceId === adapter.offer.instanceId)
  return all.reduce((sum, { statistics }) => sum + (statistics?.signalsSent ?? 0), 0)
}

/** Far fewer signals than packets under load, and none lost when the ring runs empty. */
export const signalOptimisation: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const a = await lan.guest()
  const b = await lan.guest()
  const got = collect(b.net)
  const { statistics } = channelOf(a.machine, 'hn0')
  const packets = statistics.packetsSent
  const signals = statistics.signalsSent
  const received = a.machine.server.counters.signalsReceived
  const host = hostEnd(b)
  // Longer than what shares a message with others.
  const frame = frameOf(macOf(2), macOf(1), 1500)
  let sent = 0
  const end = performance.now() + LIMIT_MS
  while (sent < FRAMES) {
    want(performance.now() < end, `the ring was full for good after ${sent} frames, of which ${got.length} arrived`)
    for (let i = 0; i < BURST && sent < FRAMES; i++) {
      if (a.net.transmit(frame, 0, frame.length) !== TransmitStatus.sent) break
      sent++
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => got.length === FRAMES, 'all frames')
  const heard = a.machine.server.counters.signalsReceived - received
  const ratio = Math.max(statistics.signalsSent - signals, heard) / (statistics.packetsSent - packets)
  want(statistics.packetsSent - packets >= FRAMES, 'frames shared packets')
  want(ratio < 0.5, `the guest gave ${ratio.toFixed(3)} signals for a packet`)
  const delivered = hostEnd(b)
  const hostRatio = (delivered - host) / FRAMES
  want(hostRatio < 0.5, `the host gave ${hostRatio.toFixed(3)} signals for a frame`)
  for (let i = 1; i <= 20; i++) {
    a.net.transmit(frame, 0, frame.length)
    await until(() => got.length === FRAMES + i, `frame ${i} into an empty ring`)
  }
  return {
    did: `sent ${FRAMES} frames in bursts, then 20 one by one into an empty ring`,
    saw: `all arrived; under load the guest gave ${ratio.toFixed(2)} signals for a packet, the host ${hostRatio.toFixed(2)} for a frame`,
  }
}
