import type { Channel } from '@bis/hyperv-types'
import { ManualClock } from '@bis/hyperv-types'
import { connectedChannels } from '@bis/hyperv-types/loopback'
import { describe, expect, it } from 'vitest'
import { adoptSubchannels } from './adoption.ts'

const RINGS = { txRingBytes: 16_384, rxRingBytes: 16_384 } as const

/** A primary channel that is open, on a host that offers sub-channels when told. */
async function primaryChannel(clock: ManualClock) {
  let offer: (count: number) => void = () => {}
  const device = {
    offer: { interfaceId: '00000000-0000-0000-0000-0000000000ec', instanceId: 'e' },
    onOffered: (port: { offerSubchannels(count: number): boolean }) => {
      offer = (count) => void port.offerSubchannels(count)
    },
    openChannel: () => ({ onPacket: () => {}, onClose: () => {} }),
  }
  const { channel, pages } = connectedChannels(device, { clock, processorCount: 4 })
  await channel.open({ ...RINGS, onPacket: () => {} })
  return { primary: channel, pages, offer: (count: number) => offer(count) }
}

const open = (channel: Channel): Promise<void> => channel.open({ ...RINGS, onPacket: () => {} })

describe('sub-channels that the host has promised', () => {
  it('are adopted when all are open', async () => {
    const clock = new ManualClock()
    const { primary, offer } = await primaryChannel(clock)
    const { signal } = new AbortController()
    const adopted = adoptSubchannels({ primary, count: 2, clock, timeoutMs: 1000, signal, open })
    offer(2)
    await clock.run()
    expect((await adopted).map(({ offer, state }) => [offer.subIndex, state])).toEqual([
      [1, 'open'],
      [2, 'open'],
    ])
  })

  it('go together when one is late, that one too when it opens after all', async () => {
    const clock = new ManualClock()
    const { primary, pages, offer } = await primaryChannel(clock)
    const before = pages.allocatedPages
    let goOn = (): void => {}
    const late = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const adopted = adoptSubchannels({
      primary,
      count: 2,
      clock,
      timeoutMs: 1000,
      signal: new AbortController().signal,
      async open(channel, index) {
        if (index === 2) await late
        await open(channel)
      },
    })
    const failure = expect(adopted).rejects.toMatchObject({ code: 'timeout', message: '1 of 2 sub-channels came' })
    offer(2)
    await clock.advance(1000)
    await failure
    goOn()
    await clock.run()
    expect(primary.subchannels.map(({ state }) => state)).toEqual(['offered', 'offered'])
    expect(pages.allocatedPages).toBe(before)
  })
})
