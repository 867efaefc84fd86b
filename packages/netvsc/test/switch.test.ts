import { join } from 'node:path'
import { FrameStream, StreamPort } from '@bis/host/node'
import { TransmitChecksum, TransmitStatus } from '@bis/hyperv-types'
import { FrameHeaders, sendFrame, transportIsGood } from '@bis/hyperv-types/ethernet'
import { describe, expect, it } from 'vitest'
import { address, broadcast, collect, frameOf, Network, until } from './support/guests.ts'
import { offload, segment } from './support/tcp.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

describe('the switch', () => {
  it('shows each guest its own unicast only, and copies to who mirrors', async () => {
    await using network = new Network()
    const a = await network.guest({ adapter: { port: { mirror: 'source' } } })
    const b = await network.guest()
    const c = await network.guest({ adapter: { port: { mirror: 'destination' } } })
    await c.hn.configure({ promiscuous: true })
    const d = await network.guest()
    await d.hn.configure({ promiscuous: true })
    const [atB, atC, atD] = [collect(b.hn), collect(c.hn), collect(d.hn)]
    a.hn.transmit(frameOf(address(2), address(1)), 0, 60)
    b.hn.transmit(frameOf(address(1), address(2)), 0, 60)
    a.hn.transmit(frameOf(broadcast, address(1)), 0, 60)
    await until(() => atB.length === 2 && atC.length === 3 && atD.length === 1, 'arrival')
  })

  it('lets no guest use a foreign address, serve DHCP, or play router', async () => {
    await using network = new Network()
    const a = await network.guest({ adapter: { port: { dhcpGuard: true, routerGuard: true } } })
    const b = await network.guest()
    const got = collect(b.hn)
    const { counters } = a.adapter.switchPort
    const send = (frame: Uint8Array): void => void a.hn.transmit(frame, 0, frame.length)
    send(frameOf(b.hn.settings.address, address(9)))
    const to = b.hn.settings.address
    const from = a.hn.settings.address
    send(segment({ to, from, version: 4, protocol: 'udp', payload: 20, port: 67 }))
    send(segment({ to, from, version: 6, protocol: 'udp', payload: 20, port: 547 }))
    const advertisement = segment({ to, from, version: 6, payload: 20 })
    advertisement[20] = 58
    advertisement[54] = 134
    send(advertisement)
    send(segment({ to, from, version: 4, protocol: 'udp', payload: 20, port: 68 }))
    await until(() => got.length === 1, 'arrival')
    expect([counters.spoofDrops, counters.guardDrops]).toEqual([1, 3])
  })

  it('drops, doubles, swaps and delays as its seed says, twice the same', async () => {
    const run = async (): Promise<number[]> => {
      await using network = new Network()
      const faults = { seed: 7, drop: 0.1, duplicate: 0.1, reorder: 0.1 }
      const a = await network.guest()
      const b = await network.guest({ adapter: { port: { faults } } })
      const got = collect(b.hn)
      for (let i = 0; i < 100; i++) await sendFrame(a.hn, frameOf(address(2), address(1), 60, i))
      await new Promise((resolve) => setTimeout(resolve, 20))
      return got.map((frame) => frame[14] ?? 0)
    }
    const first = await run()
    expect(await run()).toEqual(first)
    expect(new Set(first).size).toBeLessThan(100)
    expect(first.length).toBeGreaterThan(new Set(first).size)
  })

  it('keeps a sender to its bandwidth', async () => {
    await using network = new Network()
    const a = await network.guest({ adapter: { port: { maximumBandwidth: 20e6 } } })
    const b = await network.guest()
    let bytes = 0
    b.hn.receive((frames, count) => {
      for (const { length } of frames.slice(0, count)) bytes += length
    })
    const frame = frameOf(address(2), address(1), 1514)
    const start = performance.now()
    while (performance.now() - start < 300) {
      for (let i = 0; i < 4; i++) a.hn.transmit(frame, 0, frame.length)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    // 750,000 bytes in 300 ms, a burst of 65,536, and what is still in the queue.
    expect(bytes).toBeLessThan(900_000)
    expect(bytes).toBeGreaterThan(200_000)
  })

  it('talks to a stream socket, with checksums filled in and tags in the frames', async () => {
    await using network = new Network()
    const a = await network.guest({ adapter: { port: { vlan: { mode: 'access', id: 7 } } } })
    const path = join(temporaryFolder(), 'net.sock')
    const port = { vlan: { mode: 'trunk', native: 0, allowed: [7] } } as const
    await using outside = await StreamPort.open({ switch: network.switch, path, role: 'server', port })
    const got: Uint8Array[] = []
    await using peer = await FrameStream.connect(path, {
      onFrame: (bytes, offset, length) => got.push(bytes.slice(offset, offset + length)) > 0,
    })
    await until(() => outside.connectedToPeer, 'the peer')
    const far = address(200)
    const frame = segment({ to: far, from: a.hn.settings.address, version: 4, payload: 5000, large: true })
    const ask = offload({ segmentSize: 1000, transportOffset: 34 })
    expect(a.hn.transmit(frame, 0, frame.length, ask)).toBe(TransmitStatus.sent)
    await until(() => got.length === 5, 'the segments')
    const headers = new FrameHeaders()
    for (const tagged of got) {
      expect([...tagged.subarray(12, 16)]).toEqual([0x81, 0, 0, 7])
      const plain = Uint8Array.from([...tagged.subarray(0, 12), ...tagged.subarray(16)])
      headers.read(plain, 0, plain.length)
      expect(transportIsGood(plain, headers.ipAt, headers.transportAt, headers.transportBytes, 6)).toBe(true)
    }
    const back = collect(a.hn)
    const answer = frameOf(a.hn.settings.address, far)
    peer.send(answer, 0, answer.length, 7)
    peer.send(answer, 0, answer.length, 8)
    await until(() => back.length === 1, 'the answer')
    expect(back[0]).toEqual(answer)
    expect(outside.port.counters.vlanDrops).toBe(1)
    expect(TransmitChecksum.tcp).toBe(2)
  })
})
