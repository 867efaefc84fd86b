import { Host, hostRelease, NetworkAdapter, VirtualSwitch } from '@bis/host'
import type { EthernetInterface, FrameOffload } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import { Machine } from '@bis/machine'
import { netvscDriver } from '@bis/netvsc'
import type { NetvscBenchOptions, NetvscRow } from './rows.ts'

const MAC = (n: number): Uint8Array => Uint8Array.of(0, 0x15, 0x5d, 0, 0, n)
const TCP_AT = 34
const LARGE_BYTES = 62_000
const SEGMENT_BYTES = 1448
/** Frames in one batch: what a busy stack hands over at once. */
const BATCH = 64

interface Pair extends AsyncDisposable {
  readonly a: EthernetInterface
  readonly b: EthernetInterface
}

/**
 * Measures frames from one guest through netvsc, VMBus, netvsp and the switch to a second guest, beside a memory copy of the
 * same size: small, full-size and large sends, with more ports, and with more channels. About 12 seconds by default.
 */
export async function benchNetvsc(options: NetvscBenchOptions = {}): Promise<NetvscRow[]> {
  const rows: NetvscRow[] = []
  const { milliseconds = 1000 } = options
  const add = (row: NetvscRow): void => {
    rows.push(row)
    options.onRow?.(row)
  }
  for (const frameBytes of [64, 1514, LARGE_BYTES]) add(copyRow(frameBytes, milliseconds / 4))
  {
    await using pair = await makePair(2, 1)
    for (const frameBytes of [64, 1514]) {
      add(await measure('frames', pair, plainFrame(frameBytes), undefined, { ports: 2, channels: 1, milliseconds }))
    }
    const offload: FrameOffload = {
      checksum: 0,
      segmentSize: SEGMENT_BYTES,
      transportOffset: TCP_AT,
      vlan: -1,
      hash: 0,
    }
    add(await measure('large-send', pair, tcpFrame(LARGE_BYTES, 1), offload, { ports: 2, channels: 1, milliseconds }))
  }
  for (const ports of options.ports ?? [1, 4, 16, 64]) {
    await using pair = await makePair(ports + 1, 1)
    add(await measure('ports', pair, plainFrame(64), undefined, { ports: ports + 1, channels: 1, milliseconds }))
  }
  for (const channels of options.channels ?? [1, 4, 16]) {
    await using pair = await makePair(2, channels)
    add(await measure('channels', pair, tcpFrame(64, 1), undefined, { ports: 2, channels, milliseconds }))
  }
  return rows
}

async function makePair(ports: number, channels: number): Promise<Pair> {
  const host = new Host({ release: '2022', clock: systemClock })
  const lan = new VirtualSwitch({ clock: systemClock })
  const release = hostRelease('2022')
  const boot = async (n: number): Promise<Machine> => {
    const instanceId = `f8615163-0000-4000-8000-00000000000${n}`
    const adapter = new NetworkAdapter({ release, switch: lan, address: MAC(n), instanceId })
    const modules = [{ name: 'hv_netvsc', drivers: [netvscDriver({ channelCount: channels })] }]
    return Machine.powerOn({ devices: [adapter], modules, processorCount: channels, memoryBytes: 128 * 2 ** 20 }, host)
  }
  const [first, second] = [await boot(1), await boot(2)]
  const idle = { takesChecksums: true, takesSegments: 0x1_0000, deliver: () => {} }
  for (let n = 2; n < ports; n++) lan.addPort({ name: `idle${n}`, kind: 'vm', address: MAC(n + 1) }, idle)
  const [a, b] = [first, second].map((machine) => machine.kernel.interfaces.get('hn0'))
  if (a === undefined || b === undefined) throw new Error('a guest has no hn0')
  return {
    a,
    b,
    async [Symbol.asyncDispose]() {
      await first.powerOff()
      await second.powerOff()
      await host[Symbol.asyncDispose]()
    },
  }
}

interface Measure {
  readonly ports: number
  readonly channels: number
  readonly milliseconds: number
}

async function measure(
  bench: NetvscRow['bench'],
  { a, b }: Pair,
  frame: Uint8Array,
  offload: FrameOffload | undefined,
  { ports, channels, milliseconds }: Measure,
): Promise<NetvscRow> {
  let arrived = 0
  b.receive((frames, count) => {
    for (let i = 0; i < count; i++) arrived += frames[i]?.length ?? 0
  })
  const pump = async (limit: number): Promise<number> => {
    let sent = 0
    const end = performance.now() + limit
    while (performance.now() < end) {
      a.beginBatch()
      let taken = 0
      while (taken < BATCH && a.transmit(frame, 0, frame.length, offload) === 0) taken++
      a.endBatch()
      sent += taken
      // The rest of the machine runs in tasks; the event loop itself gets a turn when there is no room left.
      if (taken < BATCH) await nextTurn()
      else await undefined
    }
    for (let wait = 0; wait < 100 && arrived < sent * frame.length; wait++) await nextTurn()
    return sent
  }
  await pump(milliseconds / 4)
  arrived = 0
  const heap = process.memoryUsage().heapUsed
  const start = performance.now()
  const sent = await pump(milliseconds)
  const nanoseconds = ((performance.now() - start) * 1e6) / Math.max(1, sent)
  const grown = process.memoryUsage().heapUsed - heap
  if (arrived < sent * frame.length) throw new Error(`${sent} frames were sent, ${arrived / frame.length} came`)
  return row(bench, frame.length, ports, channels, nanoseconds, grown / Math.max(1, sent))
}

function copyRow(frameBytes: number, milliseconds: number): NetvscRow {
  const from = new Uint8Array(frameBytes)
  const to = new Uint8Array(frameBytes)
  let copies = 0
  const start = performance.now()
  while (performance.now() - start < milliseconds) {
    for (let i = 0; i < 1000; i++) to.set(from)
    copies += 1000
  }
  return row('copy', frameBytes, 0, 0, ((performance.now() - start) * 1e6) / copies, 0)
}

function row(
  bench: NetvscRow['bench'],
  frameBytes: number,
  ports: number,
  channels: number,
  nanoseconds: number,
  heapBytesPerFrame: number,
): NetvscRow {
  const framesPerSecond = 1e9 / nanoseconds
  const bitsPerSecond = framesPerSecond * frameBytes * 8
  return { bench, frameBytes, ports, channels, nanoseconds, framesPerSecond, bitsPerSecond, heapBytesPerFrame }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function plainFrame(length: number): Uint8Array {
  const frame = new Uint8Array(length)
  frame.set(MAC(2))
  frame.set(MAC(1), 6)
  frame.set([0x88, 0xb5], 12)
  return frame
}

function tcpFrame(length: number, port: number): Uint8Array {
  const frame = plainFrame(length)
  const view = new DataView(frame.buffer)
  view.setUint16(12, 0x0800)
  frame[14] = 0x45
  view.setUint16(16, length - 14)
  frame[23] = 6
  frame.set([10, 0, 0, 1, 10, 0, 0, 2], 26)
  view.setUint16(TCP_AT, port)
  view.setUint16(TCP_AT + 2, 2)
  frame[TCP_AT + 12] = 0x50
  return frame
}
