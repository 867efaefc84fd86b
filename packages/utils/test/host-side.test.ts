import { HeartbeatComponent, IcError } from '@bis/host'
import { ManualClock } from '@bis/hyperv-types'
import { IC_BODY_OFFSET, IC_FLAGS_REQUEST, IC_FLAGS_RESPONSE, IcMessageType, icPacket } from '@bis/hyperv-types/ic'
import { connectedChannels } from '@bis/hyperv-types/loopback'
import { describe, expect, it } from 'vitest'
import { hostOptions } from './support/guest.ts'
import { icMessage } from './support/ic-message.ts'
import { RawComponent } from './support/raw-component.ts'

const { HEARTBEAT, KVP, NEGOTIATE } = IcMessageType

interface Asked {
  readonly id: number
  readonly data: Uint8Array
}

/** A host's component, and a guest that answers when the test says so. */
async function scripted() {
  const clock = new ManualClock()
  const host = new RawComponent(new HeartbeatComponent(hostOptions(clock)).kind, hostOptions(clock))
  const { channel, rescind } = connectedChannels(host, { clock })
  const asked: Asked[] = []
  await clock.settle(
    channel.open({
      txRingBytes: 16_384,
      rxRingBytes: 16_384,
      onPacket: ({ transactionIdLow: id, bytes, dataOffset, dataLength }) =>
        void asked.push({ id, data: bytes.slice(dataOffset, dataOffset + dataLength) }),
    }),
  )
  await clock.run()
  const send = (data: Uint8Array, id: number, type = 6): void =>
    void channel.send(type, 0, id, 0, undefined, 0, data, 0, data.length)
  /** The answer to the n-th request, with what is to be different. */
  const answer = (
    n: number,
    change: { type?: number; flags?: number; transactionId?: number; body?: number[] } = {},
  ) => {
    const { data = new Uint8Array(IC_BODY_OFFSET) } = asked[n] ?? {}
    const { ic } = icPacket.decode(data)
    return icMessage({
      type: change.type ?? ic.icmsgtype,
      body: Uint8Array.from(change.body ?? data.subarray(IC_BODY_OFFSET)),
      flags: change.flags ?? IC_FLAGS_RESPONSE,
      transactionId: change.transactionId ?? ic.ictransaction_id,
    })
  }
  return { clock, host, channel, rescind, asked, send, answer }
}

async function negotiated() {
  const parts = await scripted()
  // One version of each: 3.0 and 3.0.
  const body = [1, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0]
  parts.send(parts.answer(0, { body }), parts.asked[0]?.id ?? 0)
  await parts.clock.run()
  expect(parts.host.state).toBe('ready')
  return parts
}

describe("the host's end", () => {
  it('[IC-09] takes only the answer to its current request', async () => {
    const { clock, host, asked, send, answer } = await negotiated()
    const first = host.ask(new Uint8Array(8), 1000)
    first.catch(() => {})
    await clock.run()
    await clock.advance(1001)
    await expect(first).rejects.toMatchObject({ name: 'IcError', code: 'timeout' })

    let answered = false
    const second = host.ask(new Uint8Array(8))
    void second.then(() => {
      answered = true
    })
    await clock.run()
    const [, late, current] = asked
    if (late === undefined || current === undefined) throw new Error('two requests were not sent')
    send(answer(1), late.id)
    send(answer(1), current.id)
    send(answer(2), current.id + 1)
    send(answer(2, { type: KVP }), current.id)
    send(answer(2, { type: NEGOTIATE }), current.id)
    send(answer(2, { transactionId: 77 }), current.id)
    send(answer(2, { flags: IC_FLAGS_REQUEST }), current.id)
    send(answer(2, { flags: 0 }), current.id)
    send(answer(2), current.id, 11)
    send(answer(2).subarray(0, 20), current.id)
    await clock.run()
    expect(answered).toBe(false)
    expect(host.counters).toMatchObject({ stale: 6, malformed: 4, timeouts: 1, answers: 1 })
    send(answer(2, { body: [1, 2, 3] }), current.id)
    expect((await clock.settle(second)).body).toEqual(Uint8Array.of(1, 2, 3))
    send(answer(2), current.id)
    await clock.run()
    expect([host.counters.stale, host.state]).toEqual([7, 'ready'])
  })

  it('drops a late answer while it negotiates again', async () => {
    const { clock, host, asked, send, answer } = await negotiated()
    const lost = host.ask(new Uint8Array(8))
    lost.catch(() => {})
    await clock.run()
    host.renegotiate()
    await clock.run()
    await expect(lost).rejects.toMatchObject({ code: 'gone' })
    send(answer(1), asked[1]?.id ?? 0)
    await clock.run()
    expect([host.state, host.counters.stale]).toEqual(['negotiating', 1])
  })

  it('counts a guest that does not negotiate as silent, and takes it when it does', async () => {
    const { clock, host, asked, send, answer } = await scripted()
    await clock.advance(60_001)
    expect(host.state).toBe('silent')
    await expect(host.ask(new Uint8Array(8))).rejects.toThrow('the guest has not answered the negotiation yet')
    send(answer(0, { body: [1, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0] }), asked[0]?.id ?? 0)
    await clock.run()
    expect([host.state, host.version]).toEqual(['ready', { major: 1, minor: 0 }])
  })

  it.each<[string, number[]]>([
    ['versions that were not offered', [1, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0]],
    ['no versions', [0, 0, 0, 0, 0, 0, 0, 0]],
    ['counts without versions', [1, 0, 1, 0, 0, 0, 0, 0]],
    ['two of each', [2, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0]],
  ])('takes %s for a refusal', async (_, body) => {
    const { clock, host, asked, send, answer } = await scripted()
    send(answer(0, { body }), asked[0]?.id ?? 0)
    await clock.run()
    expect(host.state).toBe('refused')
    await expect(host.ask(new Uint8Array(8))).rejects.toBeInstanceOf(IcError)
  })

  it('ends its wait when the guest goes, and has one request out at a time', async () => {
    const { clock, host, asked, rescind } = await negotiated()
    const waiting = [host.ask(new Uint8Array(8)), host.ask(new Uint8Array(8))]
    for (const one of waiting) one.catch(() => {})
    await clock.run()
    expect(asked.filter(({ data }) => icPacket.decode(data).ic.icmsgtype === HEARTBEAT)).toHaveLength(1)
    await clock.settle(rescind())
    await expect(waiting[0]).rejects.toMatchObject({ code: 'gone' })
    await expect(waiting[1]).rejects.toMatchObject({ code: 'not-ready' })
    expect([host.state, clock.pendingTimers]).toEqual(['absent', 0])
  })
})
