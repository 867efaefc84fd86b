import { fuzzRuns, fuzzTimeout } from '@bis/build/fuzz'
import { Host } from '@bis/host'
import type { HostChannel, HostChannelHandlers, Packet } from '@bis/hyperv-types'
import { SeededRandom, SendStatus, systemClock } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { EchoDevice, instance } from './echo-device.ts'
import { RealGuest } from './real-guest.ts'

const PACKETS = fuzzRuns(20_000)
const LONGEST = 1200

/** Writes numbered packets of random size as long as there is room, and checks the ones that come from the other side. */
class Pump {
  next = 1
  seen = 0
  readonly #send: HostChannel['send']
  readonly #random: SeededRandom
  readonly #data = new Uint8Array(LONGEST)
  #length = 1

  constructor(send: HostChannel['send'], seed: number) {
    this.#send = send
    this.#random = new SeededRandom(seed)
  }

  fill(): void {
    while (this.next <= PACKETS) {
      for (let n = 0; n < 8; n++) this.#data[this.#random.below(this.#length)] = this.next + n
      this.#data[0] = this.next
      this.#data[this.#length - 1] = this.next
      const status = this.#send(6, 0, this.next, this.#length, undefined, 0, this.#data, 0, this.#length)
      if (status === SendStatus.full) return
      if (status !== SendStatus.sent) throw new Error(`packet ${this.next}: status ${status}`)
      this.next++
      this.#length = 1 + this.#random.below(LONGEST)
    }
  }

  check({ transactionIdLow: id, transactionIdHigh: length, bytes, dataOffset, dataLength }: Packet): void {
    this.seen++
    if (id !== this.seen) throw new Error(`packet ${id} where ${this.seen} was due`)
    const rightLength = dataLength === Math.ceil(length / 8) * 8
    const first = bytes[dataOffset]
    const last = bytes[dataOffset + length - 1]
    if (!rightLength || first !== (id & 255) || last !== (id & 255)) throw new Error(`packet ${id} has other content`)
  }
}

/** A device that floods the guest while the guest floods it. */
class FloodDevice extends EchoDevice {
  pump: Pump | undefined
  failure: string | undefined

  override openChannel = (channel: HostChannel): HostChannelHandlers => {
    const pump = new Pump(channel.send.bind(channel), 2)
    this.pump = pump
    systemClock.later(() => pump.fill())
    return {
      onPacket: (packet) => pump.check(packet),
      onWritable: () => pump.fill(),
      onFailure: (error) => {
        this.failure = error.message
      },
      onClose() {},
    }
  }
}

describe('a channel under load', () => {
  it(
    `[RB-01] [RB-02] [PF-08] carries ${PACKETS} packets of random size each way through the smallest rings, in order, and never stalls`,
    async () => {
      const host = new Host({ release: '2022', clock: systemClock })
      const guest = new RealGuest(host, systemClock)
      const device = new FloodDevice(1)
      guest.server.offer(device)
      guest.boot()
      await guest.tree.settled()
      const channel = guest.channels.get(instance(1))
      if (channel === undefined) throw new Error('no channel')
      const pump = new Pump(channel.send.bind(channel), 1)
      let failure: string | undefined
      await channel.open({
        txRingBytes: 8192,
        rxRingBytes: 8192,
        onPacket: (packet) => pump.check(packet),
        onWritable: () => pump.fill(),
        onFailure: (error) => {
          failure = error.message
        },
      })
      pump.fill()
      while (pump.seen < PACKETS || (device.pump?.seen ?? 0) < PACKETS) {
        const before = pump.seen + (device.pump?.seen ?? 0)
        await new Promise((resolve) => setTimeout(resolve, 200))
        if (failure !== undefined || device.failure !== undefined) throw new Error(failure ?? device.failure)
        expect(pump.seen + (device.pump?.seen ?? 0), 'nothing moves any more').toBeGreaterThan(before)
      }
      const [info] = guest.server.channels()
      expect(info?.statistics).toMatchObject({ packetsReceived: PACKETS, packetsSent: PACKETS, protocolErrors: 0 })
      await guest.tree.shutdown()
      await host[Symbol.asyncDispose]()
    },
    fuzzTimeout(60_000),
  )
})
