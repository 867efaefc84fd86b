import { fuzzCases, fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import { hostRelease, IcError, KvpComponent } from '@bis/host'
import { ManualClock, SeededRandom } from '@bis/hyperv-types'
import {
  IC_BODY_OFFSET,
  IC_FLAGS_RESPONSE,
  IcMessageType,
  IcStatus,
  icNegotiate,
  icPacket,
  KVP_BODY_BYTES,
  KVP_IP_BODY_BYTES,
} from '@bis/hyperv-types/ic'
import { connectedChannels } from '@bis/hyperv-types/loopback'
import { expect, it } from 'vitest'
import { encodeOperation } from '../../src/device/message.ts'
import type { IpInformation } from '../../src/index.ts'
import { KVP_DEVICES, MemoryPool, PoolServer, serveDevice } from '../../src/index.ts'
import { boot } from '../support/guest.ts'

/** CI runs 100,000. */
const CASES = Number(process.env['BIS_FUZZ_CASES'] ?? fuzzRuns(3000))
/** Of what is no network peer. */
const FEWER = Math.ceil(CASES / 4)
const TIME_MS = fuzzTimeout(60_000) + CASES * 3

const NETWORK = {
  async get(adapterId: string): Promise<IpInformation> {
    return {
      adapterId,
      addressFamily: 1,
      dhcp: true,
      addresses: ['192.0.2.1'],
      subnets: ['/24'],
      gateways: [],
      dnsServers: [],
    }
  },
  async set(): Promise<void> {},
}

const pools = () => ([0, 1, 2, 3, 4] as const).map((number) => new MemoryPool(number))
const newServer = (mine = pools()) => new PoolServer({ pools: mine, autoValues: () => ({}), network: NETWORK })

/** A body that is nearly right, or not at all. The counts of binary IP information stand where the others have sizes. */
function hostileBody(random: SeededRandom): Uint8Array {
  const body = new Uint8Array(random.pick([KVP_BODY_BYTES, KVP_BODY_BYTES, KVP_IP_BODY_BYTES, random.below(8000)]))
  const view = new DataView(body.buffer)
  if (random.happens(0.3)) random.fill(body)
  if (body.length < 16) return body
  body[0] = random.happens(0.9) ? random.below(6) : random.below(256)
  body[1] = random.happens(0.9) ? random.below(5) : random.below(256)
  const sizes = [0, 2, 4, 511, 512, 513, 2048, 2050, 0x7fff_ffff, 0xffff_ffff, random.below(600)]
  for (const at of [4, 8, 12])
    if (random.happens(0.8)) view.setUint32(at, random.pick([1, 2, 4, 8, 11, ...sizes]), true)
  for (let i = random.below(20); i > 0; i--) body[random.below(body.length)] = random.below(256)
  return body
}

/** The host, saying anything at all. */
class HostileHost extends KvpComponent {
  raw(body: Uint8Array): Promise<unknown> {
    return this.request('raw', body, { timeoutMs: 1000 })
  }
}

it(`survives ${CASES} hostile messages of the host`, { timeout: TIME_MS }, async () => {
  const random = new SeededRandom(fuzzSeed)
  const mine = pools()
  let host: HostileHost | undefined
  const pair = await boot({
    daemon: newServer(mine),
    component: (options) => {
      host = new HostileHost(options)
      return host
    },
  })
  for (let i = 0; i < CASES; i++) {
    if (random.happens(0.1)) {
      pair.host.faults = { messageVersions: [{ major: random.pick([4, 5]), minor: 0 }] }
      host?.renegotiate()
      await pair.clock.run()
    }
    pair.host.faults = random.happens(0.2)
      ? {
          mutate(message) {
            for (let n = random.below(6); n > 0; n--) message[random.below(message.length)] = random.below(256)
            return random.happens(0.2) ? message.slice(0, random.below(message.length + 1)) : message
          },
          copies: random.below(4),
        }
      : {}
    const asked = host?.raw(hostileBody(random)).catch((error: unknown) => {
      if (!(error instanceof IcError)) throw error
    })
    await pair.clock.run()
    pair.host.faults = {}
    await pair.clock.advance(1000)
    await asked
    if (i % 500 === 499) for (const pool of mine) await pool.clear()
  }
  pair.host.faults = {}
  pair.host.renegotiate()
  for (let i = 0; i < 10; i++) await pair.clock.run()
  await pair.clock.settle(pair.host.set(0, 'still', 'alive'))
  expect(await pair.clock.settle(pair.host.get(0, 'still'))).toBe('alive')
  expect(pair.tree.devices().find(({ nameunit }) => nameunit === 'hvkvp0')?.state).toBe('attached')
  fuzzCases('hostile messages of a KVP host', CASES)
})

it(`the host survives ${CASES} hostile answers`, { timeout: TIME_MS }, async () => {
  const random = new SeededRandom(fuzzSeed + 1)
  const clock = new ManualClock()
  const host = new KvpComponent({ release: hostRelease('2022'), clock, timeoutMs: 1000 })
  const { channel } = connectedChannels(host, { clock })
  let honest = false
  await clock.settle(
    channel.open({
      txRingBytes: 32_768,
      rxRingBytes: 32_768,
      onPacket(packet) {
        const message = packet.bytes.slice(packet.dataOffset, packet.dataOffset + packet.dataLength)
        const view = new DataView(message.buffer)
        icPacket.ic.icflags.set(view, 0, IC_FLAGS_RESPONSE)
        if (icPacket.ic.icmsgtype.get(view, 0) === IcMessageType.NEGOTIATE) {
          const versions = [
            { major: 3, minor: 0 },
            { major: random.pick([4, 5]), minor: 0 },
          ]
          icNegotiate.encode({ icframe_vercnt: 1, icmsg_vercnt: 1, icversion_data: versions }, message, IC_BODY_OFFSET)
          icPacket.ic.icmsgsize.set(view, 0, 16)
        } else if (!honest) {
          if (random.happens(0.5))
            message.set(hostileBody(random).subarray(0, message.length - IC_BODY_OFFSET), IC_BODY_OFFSET)
          if (random.happens(0.3))
            icPacket.ic.status.set(view, 0, random.pick([IcStatus.CONTINUE, IcStatus.E_FAIL, random.word()]))
          if (random.happens(0.3))
            for (let n = random.below(8); n > 0; n--) message[random.below(28)] = random.below(256)
        }
        for (let copies = honest ? 1 : random.below(3); copies > 0; copies--) {
          const length = honest || random.happens(0.9) ? message.length : random.below(message.length + 1)
          channel.send(6, 0, packet.transactionIdLow, packet.transactionIdHigh, undefined, 0, message, 0, length)
        }
      },
    }),
  )
  for (let round = 0; round < 5; round++) await clock.run()
  let answered = 0
  for (let i = 0; i < CASES; i++) {
    if (host.state !== 'ready' || random.happens(0.01)) {
      honest = true
      host.renegotiate()
      for (let round = 0; round < 3; round++) await clock.run()
      honest = false
    }
    const asked = random.pick([
      () => host.at(random.below(5), i),
      () => host.get(random.below(5), 'key'),
      () => host.set(random.below(5), 'key', i),
      () => host.delete(random.below(5), 'key'),
      () => host.getIp('00:15:5d:00:00:01'),
    ])()
    const end = asked.then(
      () => answered++,
      (error: unknown) => {
        if (!(error instanceof IcError)) throw error
      },
    )
    await clock.run()
    await clock.advance(1000)
    await end
  }
  expect(answered).toBeGreaterThan(CASES / 100)
  honest = true
  host.renegotiate()
  for (let round = 0; round < 3; round++) await clock.run()
  await clock.settle(host.set(0, 'still', 'alive'))
  fuzzCases('hostile answers to a KVP host', CASES)
})

it(`a daemon survives ${FEWER} hostile messages of its kernel`, { timeout: TIME_MS }, async () => {
  const random = new SeededRandom(fuzzSeed + 2)
  const kind = KVP_DEVICES.linux
  const mine = pools()
  let left = FEWER
  let written = 0
  const ended = new Error('no more')
  const serving = serveDevice(
    {
      async read() {
        if (left-- === 0) throw ended
        if (left % 500 === 0) for (const pool of mine) await pool.clear()
        const message = encodeOperation(kind, 0)
        message.set(hostileBody(random).subarray(0, kind.messageBytes))
        return message
      },
      write(message) {
        expect(message.length).toBe(kind.messageBytes)
        written++
      },
      close() {},
    },
    newServer(mine),
    { kind, log: { log() {} } },
  )
  await expect(serving).rejects.toBe(ended)
  expect(written).toBeGreaterThan(FEWER * 0.9)
  fuzzCases('hostile messages of a kernel to the KVP daemon', FEWER)
})

it(`the driver survives ${FEWER} hostile messages of a daemon`, { timeout: TIME_MS }, async () => {
  const random = new SeededRandom(fuzzSeed + 3)
  const pair = await boot()
  const device = pair.kernel.characterDevices.get('vmbus/hv_kvp')
  let file = device?.open()
  let served = 0
  for (let i = 0; i < FEWER; i++) {
    try {
      if (random.happens(0.05)) {
        file?.close()
        file = device?.open()
        file?.write(encodeOperation(KVP_DEVICES.linux, random.pick([100, 100, 4, random.below(256)])))
      }
      const message = random.happens(0.9) ? new Uint8Array(7432) : new Uint8Array(random.below(9000))
      message.set(hostileBody(random).subarray(0, message.length))
      if (random.happens(0.5)) message.fill(0, 0, 4)
      const asked = random.happens(0.7) ? pair.host.at(0, i) : pair.host.getIp('00:15:5d:00:00:01')
      const end = asked.then(
        () => served++,
        () => undefined,
      )
      await pair.clock.run()
      while (file?.readable === true) await file.read()
      try {
        file?.write(message)
      } finally {
        await pair.clock.advance(5000)
        await end
      }
    } catch (error) {
      expect((error as { name: string }).name).toBe('DeviceError')
    }
  }
  expect(served).toBeGreaterThan(FEWER / 100)
  expect(pair.tree.devices().find(({ nameunit }) => nameunit === 'hvkvp0')?.state).toBe('attached')
  fuzzCases('hostile messages of a daemon to the KVP driver', FEWER)
})
