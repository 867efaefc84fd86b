import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ReceiveChecksum, TransmitChecksum, TransmitStatus } from '@bis/hyperv-types'
import { FrameHeaders, transportIsGood } from '@bis/hyperv-types/ethernet'
import { describe, expect, it } from 'vitest'
import { collect, frameOf, Network, until } from './support/guests.ts'
import { offload, segment } from './support/tcp.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const TSHARK = 'tshark'

/** What tshark thinks of a capture, one line a frame; undefined where it is not installed. */
function tshark(file: Uint8Array, fields: readonly string[]): string[] | undefined {
  const path = join(temporaryFolder(), 'capture.pcapng')
  writeFileSync(path, file)
  const options = ['-o', 'tcp.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE']
  try {
    const wanted = fields.flatMap((field) => ['-e', field])
    const text = execFileSync(TSHARK, ['-r', path, ...options, '-T', 'fields', ...wanted], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return text.toString().trimEnd().split('\n')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

describe('checksum offload', () => {
  for (const version of [4, 6] as const) {
    for (const protocol of ['tcp', 'udp'] as const) {
      it(`[OF-05] [OF-08] fills in ${protocol} over IPv${version}, and the receiver is told that it is good`, async () => {
        await using network = new Network()
        const a = await network.guest()
        const b = await network.guest()
        const bits: number[] = []
        const good: boolean[] = []
        const headers = new FrameHeaders()
        b.hn.receive((frames, count) => {
          for (const { bytes, offset, length, checksum } of frames.slice(0, count)) {
            headers.read(bytes, offset, offset + length)
            bits.push(checksum)
            good.push(
              transportIsGood(bytes, headers.ipAt, headers.transportAt, headers.transportBytes, headers.protocol),
            )
          }
        })
        const frame = segment({
          to: b.hn.settings.address,
          from: a.hn.settings.address,
          version,
          protocol,
          payload: 333,
        })
        const header = version === 4 ? TransmitChecksum.ipv4Header : 0
        const ask = offload({ checksum: TransmitChecksum[protocol] | header, transportOffset: version === 4 ? 34 : 54 })
        expect(a.hn.transmit(frame, 0, frame.length, ask)).toBe(TransmitStatus.sent)
        await until(() => bits.length === 1, 'arrival')
        // Without the request the field is as wrong as the guest left it, and the receiver is told so.
        expect(a.hn.transmit(frame, 0, frame.length)).toBe(TransmitStatus.sent)
        await until(() => bits.length === 2, 'arrival')
        expect(good).toEqual([true, false])
        const { transportGood, transportBad, ipv4Good, ipv4Bad } = ReceiveChecksum
        expect(bits).toEqual(
          version === 4 ? [transportGood | ipv4Good, transportBad | ipv4Bad] : [transportGood, transportBad],
        )
      })
    }
  }

  it('is not offered where the host gets UDP wrong', async () => {
    await using network = new Network('2012r2')
    const { hn } = await network.guest()
    expect(hn.capabilities.checksum4).toBe(TransmitChecksum.tcp | TransmitChecksum.ipv4Header)
    const frame = segment({
      to: hn.settings.address,
      from: hn.settings.address,
      version: 4,
      protocol: 'udp',
      payload: 8,
    })
    const ask = offload({ checksum: TransmitChecksum.udp, transportOffset: 34 })
    expect(hn.transmit(frame, 0, frame.length, ask)).toBe(TransmitStatus.refused)
  })
})

describe('large sends', () => {
  for (const version of [4, 6] as const) {
    it(`[OF-01] over IPv${version} are cut for who cannot take them whole, and joined for who can`, async () => {
      await using network = new Network()
      const a = await network.guest()
      const joined = await network.guest()
      const cut = await network.guest({ settings: { coalesce: false } })
      const parts: Uint8Array[] = []
      network.switch.capture([a.adapter.switchPort], (bytes) => parts.push(bytes))
      for (const [guest, whole] of [
        [joined, true],
        [cut, false],
      ] as const) {
        const got: { length: number; segments: number; checksum: number }[] = []
        const payload: number[] = []
        const headerBytes = version === 4 ? 54 : 74
        guest.hn.receive((frames, count) => {
          for (const { bytes, offset, length, segments, checksum } of frames.slice(0, count)) {
            got.push({ length, segments, checksum })
            payload.push(...bytes.subarray(offset + headerBytes, offset + length))
          }
        })
        const frame = segment({
          to: guest.hn.settings.address,
          from: a.hn.settings.address,
          version,
          payload: 62_000,
          large: true,
        })
        const ask = offload({ segmentSize: 1440, transportOffset: headerBytes - 20 })
        expect(a.hn.transmit(frame, 0, frame.length, ask)).toBe(TransmitStatus.sent)
        await until(() => payload.length === 62_000, `all (${payload.length})`)
        expect(payload).toEqual([...frame.subarray(headerBytes)])
        expect(got.length).toBe(whole ? 1 : Math.ceil(62_000 / 1440))
        expect(got.every(({ checksum }) => (checksum & ReceiveChecksum.transportGood) !== 0)).toBe(true)
        if (whole)
          expect(got[0]?.checksum ?? 0).toSatisfy((bits: number) => (bits & ReceiveChecksum.transportPartial) !== 0)
      }
      const lines = tshark(concat(parts), ['tcp.checksum.status', '_ws.malformed', 'tcp.len'])
      if (lines === undefined) {
        console.log('skipped: tshark is not installed, so the capture was not looked at')
        return
      }
      expect(lines.length).toBe(2 * Math.ceil(62_000 / 1440))
      expect(lines.every((line) => line.startsWith('1\t\t'))).toBe(true)
    })
  }

  it('longer than the host takes are refused', async () => {
    await using network = new Network()
    const { hn } = await network.guest()
    expect(hn.capabilities.segment4).toBe(0xf53c)
    const frame = segment({
      to: hn.settings.address,
      from: hn.settings.address,
      version: 4,
      payload: 64_000,
      large: true,
    })
    expect(hn.transmit(frame, 0, frame.length, offload({ segmentSize: 1448, transportOffset: 34 }))).toBe(
      TransmitStatus.refused,
    )
  })
})

describe('VLAN', () => {
  it('[OF-06] carries all 65,536 tags beside the frame, both ways', async () => {
    const { vlanTci, vlanWord } = await import('../src/transmit/frame-encoder.ts')
    for (let tci = 0; tci <= 0xffff; tci++) if (vlanTci(vlanWord(tci)) !== tci) throw new Error(`tag ${tci}`)
    await using network = new Network()
    const trunk = { mode: 'trunk', native: 0, allowed: [5, 4094] } as const
    const adapter = { port: { vlan: trunk, priorityTag: true } }
    const a = await network.guest({ adapter })
    const b = await network.guest({ adapter })
    const c = await network.guest({ adapter: { port: { vlan: { mode: 'access', id: 5 } } } })
    const parts: Uint8Array[] = []
    network.switch.capture([b.adapter.switchPort], (bytes) => parts.push(bytes))
    const tags: number[] = []
    b.hn.receive((frames, count) => {
      for (const { vlan } of frames.slice(0, count)) tags.push(vlan)
    })
    const atC = collect(c.hn)
    const to = new Uint8Array(6).fill(0xff)
    const frame = frameOf(to, a.hn.settings.address)
    for (const vlan of [5 | (3 << 13), 4094, 6]) a.hn.transmit(frame, 0, frame.length, offload({ vlan }))
    // A tag in the frame itself moves beside it.
    const inline = Uint8Array.from([...frame.subarray(0, 12), 0x81, 0, 0xa0, 5, ...frame.subarray(12)])
    a.hn.transmit(inline, 0, inline.length)
    await until(() => tags.length === 3 && atC.length === 2, 'arrival')
    expect(tags).toEqual([5 | (3 << 13), 4094, 5 | (5 << 13)])
    expect(atC).toEqual([frame, frame])
    expect(a.adapter.switchPort.counters.vlanDrops).toBe(1)
    const lines = tshark(concat(parts), ['vlan.id', 'vlan.priority'])
    if (lines !== undefined) expect(lines).toEqual(['5\t3', '4094\t0', '5\t5'])
  })
})
