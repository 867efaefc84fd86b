import type { Channel, ChannelOpenOptions, Packet } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { holds } from './expect.ts'
import type { ChannelFixture } from './fixture.ts'

/** The rings that the cases open: 16 KiB each way. */
export const RINGS = { txRingBytes: 16_384, rxRingBytes: 16_384 } as const
/** Data area less the 8 bytes that stay free, trailer and descriptor. */
export const LONGEST_DATA = 16_384 - 4096 - 16 - 16

/** A packet as the channel's handler got it, copied. */
export interface Seen {
  readonly type: number
  readonly transactionIdLow: number
  readonly transactionIdHigh: number
  readonly data: Uint8Array
}

export function seen({ type, transactionIdLow, transactionIdHigh, bytes, dataOffset, dataLength }: Packet): Seen {
  return { type, transactionIdLow, transactionIdHigh, data: bytes.slice(dataOffset, dataOffset + dataLength) }
}

/** Bytes that tell a packet by its number and length. */
export function payload(number: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (number * 31 + i * 7 + length) & 0xff)
}

export function padded(data: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(data.length / 8) * 8)
  whole.set(data)
  return whole
}

/** Opens the fixture's channel and collects what it receives. */
export async function openChannel(
  { channel }: ChannelFixture,
  options: Partial<ChannelOpenOptions> = {},
): Promise<Seen[]> {
  const packets: Seen[] = []
  await channel.open({ ...RINGS, onPacket: (packet) => packets.push(seen(packet)), ...options })
  holds(`state after open: ${channel.state}`, channel.state === 'open')
  return packets
}

export function send(channel: Channel, number: number, data: Uint8Array): SendStatus {
  return channel.send(6, 1, number, 0, undefined, 0, data, 0, data.length)
}

/** Sends until the ring is full. @returns how many packets went in */
export function fill(channel: Channel, from: number, length: number): number {
  for (let sent = 0; sent < 100_000; sent++) {
    const status = send(channel, from + sent, payload(from + sent, length))
    if (status === SendStatus.full) return sent
    holds(`send answered ${status}`, status === SendStatus.sent)
  }
  holds('the ring never filled', false)
}
