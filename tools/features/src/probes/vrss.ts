import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, Lan, macOf, pattern } from '../guest.ts'
import { flowFrame } from '../tcp.ts'

const FLOWS = 100

/** Flows spread over the queues by their hash; another indirection table moves them. */
export const vrss: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const a = await lan.guest({}, { processorCount: 4 })
  const b = await lan.guest({}, { processorCount: 4 })
  want(b.net.capabilities.queues === 4, `${b.net.capabilities.queues} queues`)
  const got = collect(b.net)
  const send = (): void => {
    for (let port = 1; port <= FLOWS; port++) {
      const frame = flowFrame(macOf(2), macOf(1), port)
      a.net.transmit(frame, 0, frame.length)
    }
  }
  send()
  await until(() => got.length === FLOWS, 'the flows')
  const used = new Set(got.map(({ queue }) => queue))
  want(used.size === 4, `queues used: ${[...used].join()}`)
  await b.hn.setScaling(pattern(40), new Array<number>(128).fill(2))
  got.length = 0
  send()
  await until(() => got.length === FLOWS, 'the flows again')
  want(
    got.every(({ queue }) => queue === 2),
    'a flow did not follow the table',
  )
  return {
    did: `sent ${FLOWS} TCP flows, then pointed the whole indirection table at queue 2 and sent them again`,
    saw: 'first all four queues received, then only queue 2',
  }
}

export const noScaling: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const { net, hn } = await lan.guest({}, { processorCount: 4 })
  want(net.capabilities.queues === 1, `${net.capabilities.queues} queues where the host offers one`)
  const refused = await hn.setScaling(new Uint8Array(40)).then(
    () => false,
    () => true,
  )
  want(refused, 'a key was taken')
  return { did: 'asked for scaling', saw: 'one queue; the guest refuses keys by itself' }
}
