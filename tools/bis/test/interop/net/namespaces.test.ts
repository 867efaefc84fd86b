import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bridge } from '../../../src/network/bridge.ts'
import { havePrograms } from '../../programs.ts'
import { CaptureRecord, complaints, tshark } from './capture.ts'
import type { LanGuest } from './lan.ts'
import { Lan } from './lan.ts'
import { Namespace, outputOf, whyNoNamespaces } from './namespace.ts'
import { QemuHub } from './qemu-hub.ts'
import { TRANSFER_BYTES, transfer } from './transfer.ts'

const PROGRAMS = ['qemu-system-x86_64', 'ip', 'ping', 'iperf3', 'nsenter', 'unshare', 'tshark']
const why = havePrograms(...PROGRAMS) ? whyNoNamespaces() : `not all of ${PROGRAMS.join(', ')} are here`
const TITLE = 'two namespaces of Linux, each behind a guest'
const MTU = 9000
const KEPT_BYTES = 64 * 2 ** 20

/** A namespace with a TAP, joined through QEMU's hub to a guest's interface. */
interface Side extends LanGuest {
  readonly bridge: Bridge
  readonly namespace: Namespace
}

async function makeSide(lan: Lan, n: number): Promise<Side> {
  const socket = join(lan.folder, `guest${n}`)
  const guest = await lan.bridgedGuest(socket, MTU)
  const namespace = lan.use(await Namespace.create())
  await namespace.addTap('tap0', { mtu: MTU, networks: [`10.9.0.${n}/24`, `fd09::${n}/64`] })
  lan.use(await QemuHub.start({ tap: 'tap0', namespace }, socket, false))
  while (!guest.bridge.connected) await pause(10)
  return { ...guest, namespace }
}

describe.skipIf(why !== undefined)(why === undefined ? TITLE : `${TITLE} (skipped: ${why})`, () => {
  const lans: Lan[] = []
  let lan: Lan
  let a: Side
  let b: Side
  /** Frames that came while the other side was not there yet. */
  let early: readonly number[]
  beforeEach(async () => {
    lan = await Lan.create()
    lans.push(lan)
    a = await makeSide(lan, 1)
    b = await makeSide(lan, 2)
  }, 60_000)
  afterEach(async () => {
    for (const each of lans.splice(0)) await each[Symbol.asyncDispose]()
  })

  /** What was read from one socket was written to the other: nothing less, and in the same order. */
  function expectNothingLost(record: CaptureRecord): void {
    expect(record.seen(1, 'out')).toEqual(record.seen(0, 'in'))
    expect(record.seen(0, 'out')).toEqual(record.seen(1, 'in'))
    expect([a, b].map(({ bridge }) => bridge.dropped)).toEqual(early)
    for (const { adapter, network } of [a, b]) {
      expect(adapter.counters.rxNoBuffer).toBe(0)
      expect(network.statistics).toMatchObject({ txErrors: 0, rxDropped: 0 })
    }
  }

  function record(): CaptureRecord {
    const made = lan.use(new CaptureRecord(join(lan.folder, 'capture.pcapng'), KEPT_BYTES))
    early = [a, b].map(({ bridge }) => bridge.dropped)
    lan.switch.capture([a.adapter.switchPort, b.adapter.switchPort], made.sink)
    return made
  }

  it(`ping each other with ${MTU} bytes unfragmented, over IPv4 and IPv6`, { timeout: 60_000 }, async () => {
    const captured = record()
    for (const [version, address, largest] of [
      ['-4', '10.9.0.2', MTU - 28],
      ['-6', 'fd09::2', MTU - 48],
    ] as const) {
      const ping = (size: number): Promise<string> =>
        a.namespace.run('ping', version, '-M', 'do', '-c', '5', '-i', '0.05', '-W', '9', '-s', String(size), address)
      expect(await ping(56)).toContain('5 received')
      expect(await ping(largest)).toContain('5 received')
      await expect(ping(largest + 1)).rejects.toThrow(/too long/)
    }
    await captured.write()
    const fragments = 'ip.flags.mf == 1 || ip.frag_offset > 0 || ipv6.fraghdr'
    expect(await tshark(captured.path, ['-Y', fragments])).toEqual([])
    expect((await tshark(captured.path, ['-Y', `frame.len == ${MTU + 14}`])).length).toBe(2 * 2 * 2 * 5)
    expect(await complaints(captured.path)).toEqual([])
  })

  for (const [version, address] of [
    ['IPv4', '10.9.0.2'],
    ['IPv6', 'fd09::2'],
  ] as const) {
    it(`carry iperf3's TCP over ${version} both ways, nothing lost or overtaken`, { timeout: 60_000 }, async () => {
      const captured = record()
      for (const reverse of [false, true]) {
        // With a small window QEMU's hub does not swap segments, which it does when its socket is full for a moment.
        const small = await iperf(a.namespace, b.namespace, address, ['--window', '64K', ...(reverse ? ['-R'] : [])])
        expect(small.sum_sent.retransmits).toBe(0)
        const { sum_sent, sum_received } = await iperf(a.namespace, b.namespace, address, reverse ? ['-R'] : [])
        expect(sum_received.bytes).toBeGreaterThan(2 ** 20)
        const speed = (sum_received.bits_per_second / 1e9).toFixed(2)
        console.log(`${version}${reverse ? ', reversed' : ''}: ${speed} Gbit/s, ${sum_sent.retransmits} retransmits`)
      }
      expectNothingLost(captured)
    })
  }

  const title = `pass ${TRANSFER_BYTES / 2 ** 20} MiB unharmed while their ports are captured and a NIC comes and goes`
  it(title, { timeout: 300_000 }, async () => {
    const captured = record()
    let running = true
    const hotplug = async (): Promise<number> => {
      for (let n = 0; ; n++) {
        if (!running) return n
        const adapter = lan.adapter()
        const port = a.machine.plug(adapter)
        while (a.machine.kernel.interfaces.get('hn1') === undefined) await pause(5)
        await port.revoke()
        adapter.remove()
        while (a.machine.kernel.interfaces.get('hn1') !== undefined) await pause(5)
        await pause(100)
      }
    }
    const plugged = hotplug()
    const [sent, received] = await transfer(a.namespace, b.namespace, '10.9.0.2')
    running = false
    expect(received).toBe(sent)
    expect(await plugged).toBeGreaterThan(2)
    expectNothingLost(captured)
    await captured.write()
    expect(await complaints(captured.path)).toEqual([])
  })
})

interface IperfEnd {
  readonly sum_sent: { readonly retransmits: number }
  readonly sum_received: { readonly bytes: number; readonly bits_per_second: number }
}

/** One second of iperf3 between two namespaces. The server says nothing when it is ready, so the client tries until it is. */
async function iperf(from: Namespace, to: Namespace, address: string, flags: readonly string[]): Promise<IperfEnd> {
  const served = outputOf(to.start('iperf3', '--server', '--one-off'), ['iperf3', '--server'])
  for (let attempt = 0; ; attempt++) {
    try {
      const report = await from.run('iperf3', '--client', address, '--time', '1', '--json', ...flags)
      await served
      return (JSON.parse(report) as { readonly end: IperfEnd }).end
    } catch (error) {
      if (attempt === 50 || !String(error).includes('onnection refused')) throw error
      await pause(50)
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
