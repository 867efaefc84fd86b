import { ManualClock, systemClock } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { CaptureDirection, PcapngWriter } from './pcapng.ts'
import type { ReplayOptions } from './replay-port.ts'
import { ReplayPort } from './replay-port.ts'
import type { SwitchFrame } from './switch-frame.ts'
import { VirtualSwitch } from './virtual-switch.ts'

const BROADCAST = new Uint8Array(6).fill(0xff)

function capture(count: number, gap: number): Uint8Array {
  const parts: Uint8Array[] = []
  const writer = new PcapngWriter((bytes) => parts.push(bytes))
  const port = writer.addInterface('hn0')
  for (let i = 0; i < count; i++) {
    const frame = new Uint8Array(60)
    frame.set(BROADCAST)
    frame[14] = i
    const direction = i % 2 === 0 ? CaptureDirection.inbound : CaptureDirection.outbound
    writer.frame(port, 5000 + i * gap, direction, frame, 0, 60, i % 4 === 3 ? 7 : 0)
  }
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

/** A port that notes what arrives. */
function listener(lan: VirtualSwitch) {
  const got: { n: number; vlan: number; length: number; at: number }[] = []
  const trunk = { mode: 'trunk', native: 0, allowed: [7] } as const
  const deliver = ({ bytes, offset, length, vlan }: SwitchFrame): void =>
    void got.push({ n: bytes[offset + 14] ?? 0, vlan, length, at: lan.clock.now() })
  lan.addPort({ name: 'listener', kind: 'host', vlan: trunk }, { takesChecksums: false, takesSegments: 0, deliver })
  return got
}

function replay(lan: VirtualSwitch, file: Uint8Array, options: Partial<ReplayOptions>): ReplayPort {
  const trunk = { mode: 'trunk', native: 0, allowed: [7] } as const
  const open = async function* (): AsyncGenerator<Uint8Array> {
    yield file
  }
  return new ReplayPort({ switch: lan, name: 'replay', open, port: { vlan: trunk }, ...options })
}

describe('ReplayPort', () => {
  it('sends a capture in order without pauses, tags beside the frames', async () => {
    const lan = new VirtualSwitch({ clock: systemClock })
    const got = listener(lan)
    const port = replay(lan, capture(200, 1000), { speed: 0 })
    await port.play()
    expect(got.map(({ n }) => n)).toEqual(Array.from({ length: 200 }, (_, i) => i))
    expect(got.every(({ n, vlan, length }) => vlan === (n % 4 === 3 ? 7 : 0) && length === 60)).toBe(true)
    expect(port.sent).toBe(200)
    port.remove()
    expect(lan.ports.length).toBe(1)
  })

  it('keeps the rhythm of the capture, faster as asked, and one direction only', async () => {
    const clock = new ManualClock()
    const lan = new VirtualSwitch({ clock })
    const got = listener(lan)
    const start = clock.now()
    const played = replay(lan, capture(8, 100), { speed: 5, only: 'in' }).play()
    for (let ms = 0; ms < 200; ms++) await clock.advance(1)
    await played
    expect(got.map(({ n, at }) => [n, Math.round(at - start)])).toEqual([0, 2, 4, 6].map((n) => [n, n * 20]))
  })

  it('begins again until it is stopped', async () => {
    const lan = new VirtualSwitch({ clock: systemClock })
    const got = listener(lan)
    const port = replay(lan, capture(3, 0), { loop: true })
    const played = port.play()
    while (got.length < 10) await new Promise((resolve) => setTimeout(resolve, 1))
    port.remove()
    await played
    expect(got.slice(0, 4).map(({ n }) => n)).toEqual([0, 1, 2, 0])
  })
})
