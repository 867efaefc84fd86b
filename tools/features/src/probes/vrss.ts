import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, Lan, macOf, pattern } from '../guest.ts'
import { flowFrame } from '../tcp.ts'
import { toeplitz } from '../toeplitz.ts'

const FLOWS = 100

const QUEUES = 4
/** Addresses and ports of a TCP over IPv4 frame lie side by side: what is hashed. */
const HASHED = [26, 38] as const
const ENTRIES = 128

/** Each flow comes on the queue that its hash and the indirection table say; another table moves it. */
export const vrss: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const a = await lan.guest({}, { processorCount: QUEUES })
  const b = await lan.guest({}, { processorCount: QUEUES })
  want(b.net.capabilities.queues === QUEUES, `${b.net.capabilities.queues} queues`)
  const key = pattern(40)
  const rounds: readonly (readonly [string, readonly number[]])[] = [
    ['round', Array.from({ length: ENTRIES }, (_, i) => i % QUEUES)],
    ['backwards', Array.from({ length: ENTRIES }, (_, i) => QUEUES - 1 - (i % QUEUES))],
    ['only 2', new Array<number>(ENTRIES).fill(2)],
  ]
  const saw: string[] = []
  for (const [name, table] of rounds) {
    await b.hn.setScaling(key, table)
    const got = collect(b.net)
    for (let port = 1; port <= FLOWS; port++) {
      const frame = flowFrame(macOf(2), macOf(1), port)
      a.net.transmit(frame, 0, frame.length)
    }
    await until(() => got.length === FLOWS, 'the flows')
    for (const { bytes, queue, hash } of got) {
      const expected = toeplitz(key, bytes.subarray(...HASHED))
      want(hash === expected, `a flow has the hash ${hash.toString(16)}, not ${expected.toString(16)}`)
      const entry = table[expected % ENTRIES]
      want(queue === entry, `with the table ${name}, hash ${hash.toString(16)} came on queue ${queue}, not ${entry}`)
    }
    const counts = Array.from({ length: QUEUES }, (_, i) => got.filter(({ queue }) => queue === i).length)
    want(counts.every((count) => count > 0) || name === 'only 2', `flows on the queues: ${counts.join()}`)
    saw.push(`${counts.join('/')} (${name})`)
  }
  return {
    did: `sent ${FLOWS} TCP flows with three indirection tables, and hashed each flow by a Toeplitz of our own`,
    saw: `every flow on the queue that its hash and the table say: ${saw.join(', ')}`,
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
