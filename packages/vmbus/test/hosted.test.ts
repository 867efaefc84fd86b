import { HOST_RELEASES, hostRelease } from '@bis/host'
import type { Channel, ManualClock } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { formatVmbusVersion, VMBUS_MESSAGE_REDIRECT_CONNECTION_ID } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import type { Hosted } from './hosted.ts'
import { createHosted, EchoDevice } from './hosted.ts'
import { outcome } from './machine.ts'

const RINGS = { txRingBytes: 16384, rxRingBytes: 16384 }

function first(machine: Hosted<ManualClock>): Channel {
  const [channel] = machine.channels
  if (channel === undefined) throw new Error('no channel')
  return channel
}

/** Sends packets as room allows, and checks that each comes back whole, in order. */
async function exchange(
  machine: Hosted<ManualClock>,
  channel: Channel,
  count: number,
  size: (i: number) => number,
): Promise<void> {
  const data = new Uint8Array(16_000)
  let sent = 0
  let received = 0
  const pump = (): void => {
    while (sent < count) {
      const length = size(sent)
      data.fill(sent & 0xff, 0, length)
      const status = channel.send(6, 1, sent + 1, 0xabcd, undefined, 0, data, 0, length)
      if (status === SendStatus.full) return
      expect(status).toBe(SendStatus.sent)
      sent++
    }
  }
  const opened = outcome(
    machine.clock,
    channel.open({
      ...RINGS,
      onPacket(packet) {
        expect([packet.type, packet.transactionIdLow, packet.transactionIdHigh]).toEqual([11, received + 1, 0xabcd])
        const body = packet.bytes.subarray(packet.dataOffset, packet.dataOffset + size(received))
        expect(body.every((byte) => byte === (received & 0xff))).toBe(true)
        received++
      },
      onBatchEnd: pump,
      onWritable: pump,
    }),
  )
  expect(await opened).toBeUndefined()
  pump()
  await machine.clock.advance(10_000)
  expect(received).toBe(count)
}

describe('on the software host', () => {
  it.each(HOST_RELEASES)('negotiates what %s speaks, and moves packets both ways', async (release) => {
    const machine = await createHosted({ release, devices: [new EchoDevice()] })
    expect(machine.dmesg()).toContain(`vmbus0: version ${formatVmbusVersion(hostRelease(release).vmbusVersion)}`)
    const channel = first(machine)
    await exchange(machine, channel, 500, (i) => (i * 37) % 1500)
    expect(channel.statistics).toMatchObject({ packetsSent: 500, packetsReceived: 500, protocolErrors: 0 })
    await outcome(machine.clock, machine.tree.shutdown())
    await machine.clock.advance(1000)
    expect([machine.pages.allocatedPages, machine.pages.heldPages, machine.partition.overlayPages]).toEqual([0, 0, 0])
    expect(machine.server.counters.violations).toEqual({})
    expect(machine.server.connection).toBeUndefined()
  })

  it.each(['plain', 'shared', 'wasm', 'local'] as const)('works on memory of kind %s', async (memoryKind) => {
    const machine = await createHosted({ memoryKind, devices: [new EchoDevice()] })
    await exchange(machine, first(machine), 300, (i) => (i * 101) % 4000)
  })

  it('goes by the redirect connection of a paravisor from its contact on', async () => {
    const posts = new Set<number>()
    const machine = await createHosted({
      contactConnection: VMBUS_MESSAGE_REDIRECT_CONNECTION_ID,
      devices: [new EchoDevice()],
      server: { versions: { messageConnectionId: VMBUS_MESSAGE_REDIRECT_CONNECTION_ID } },
      onPost: (connectionId) => posts.add(connectionId),
    })
    await exchange(machine, first(machine), 20, () => 64)
    expect([...posts]).toEqual([VMBUS_MESSAGE_REDIRECT_CONNECTION_ID])
  })
})
