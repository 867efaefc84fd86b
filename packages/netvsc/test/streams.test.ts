import { frameSink, frameSource, receivedFrames } from '@bis/hyperv-types/ethernet'
import { describe, expect, it } from 'vitest'
import { address, frameOf, Network, until } from './support/guests.ts'

describe('received frames', () => {
  it('come one at a time from a loop, which gives the handler back', async () => {
    await using network = new Network()
    const [a, b] = [await network.guest(), await network.guest()]
    const numbers: number[] = []
    const loop = (async () => {
      for await (const frame of receivedFrames(b.hn)) {
        numbers.push(frame[14] ?? 0)
        if (numbers.length === 20) break
      }
    })()
    for (let i = 0; i < 20; i++) a.hn.transmit(frameOf(address(2), address(1), 60, i), 0, 60)
    await loop
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, i) => i + 14))
    const before = b.hn.statistics.rxDropped
    a.hn.transmit(frameOf(address(2), address(1)), 0, 60)
    await until(() => b.hn.statistics.rxDropped === before + 1, 'a frame for nobody')
  })

  it('end with the signal or the interface, after those that had come', async () => {
    await using network = new Network()
    const [a, b] = [await network.guest(), await network.guest()]
    const stop = new AbortController()
    const frames = receivedFrames(b.hn, { limit: 3, signal: stop.signal })
    const first = frames.next()
    for (let i = 0; i < 10; i++) a.hn.transmit(frameOf(address(2), address(1), 60, i), 0, 60)
    expect((await first).value?.[14]).toBe(14)
    await until(() => b.hn.statistics.rxFrames === 10, 'arrival')
    stop.abort()
    const rest: number[] = []
    for await (const frame of frames) rest.push(frame[14] ?? 0)
    expect(rest.length).toBeLessThanOrEqual(3)
    const removed = receivedFrames(b.hn).next()
    await b.machine.powerOff()
    expect((await removed).done).toBe(true)
  })

  it('come from a ReadableStream, which can be cancelled while nothing comes', async () => {
    await using network = new Network()
    const [a, b] = [await network.guest(), await network.guest()]
    const reader = new ReadableStream(frameSource(b.hn)).getReader()
    a.hn.transmit(frameOf(address(2), address(1), 100), 0, 100)
    expect(((await reader.read()).value as Uint8Array).length).toBe(100)
    const pending = reader.read()
    await reader.cancel()
    expect((await pending).done).toBe(true)
  })
})

describe('a WritableStream', () => {
  it('waits for room and loses nothing', async () => {
    await using network = new Network()
    const a = await network.guest({ settings: { txDescriptors: 4, ringPages: 3 } })
    const b = await network.guest()
    const got: number[] = []
    b.hn.receive((frames, count) => {
      for (const { view, offset } of frames.slice(0, count)) got.push(view.getUint32(offset + 14))
    })
    const writer = new WritableStream(frameSink(a.hn)).getWriter()
    const frame = frameOf(address(2), address(1), 1000)
    for (let i = 0; i < 1000; i++) {
      new DataView(frame.buffer).setUint32(14, i)
      void writer.write(frame.slice())
    }
    await writer.close()
    await until(() => got.length === 1000, 'all')
    expect(got).toEqual(Array.from({ length: 1000 }, (_, i) => i))
  })
})
