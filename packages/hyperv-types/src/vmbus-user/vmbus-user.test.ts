import { describe, expect, it } from 'vitest'
import { streamPair } from '../../test/stream-pair.ts'
import type { SynicPorts, SynicRoot } from '../index.ts'
import { GuestMemory, ManualClock } from '../index.ts'
import type { Frame } from './index.ts'
import {
  decodeMemory,
  encodeError,
  encodeFrame,
  encodeHello,
  encodeMemory,
  FrameReader,
  FrameType,
  FrameWriter,
  RemotePorts,
  RemoteRoot,
  StreamLink,
} from './index.ts'

function framesOf(...chunks: readonly Uint8Array[]): { type: number; payload: number[] }[] {
  const reader = new FrameReader()
  const frames: { type: number; payload: number[] }[] = []
  for (const chunk of chunks) {
    reader.push(chunk)
    reader.drain(({ type, bytes, base, length }) => {
      frames.push({ type, payload: [...bytes.subarray(base, base + length)] })
      return true
    })
  }
  return frames
}

describe('frames', () => {
  const writer = new FrameWriter()

  it('have the bytes of the document', () => {
    expect([...encodeHello(4)]).toEqual(
      [16, 0, 0, 0, 1, 0, 0, 0].concat([0x56, 0x4d, 0x42, 0x55, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]),
    )
    expect([...writer.signalEvent(0x2005, 7, 3)]).toEqual([8, 0, 0, 0, 0x11, 0, 0, 0, 5, 0x20, 0, 0, 7, 0, 3, 0])
    expect([...writer.event(1, 2, 5)]).toEqual(
      [16, 0, 0, 0, 0x21, 0, 0, 0].concat([1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]),
    )
    expect([...writer.postMessage(1, 1, 2, Uint8Array.of(9, 8))]).toEqual(
      [18, 0, 0, 0, 0x10, 0, 0, 0].concat([1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 9, 8]),
    )
    expect([...writer.message(1, 2, 0x8000_0010, Uint8Array.of(9))].slice(8)).toEqual([
      1, 0, 0, 0, 2, 0, 0, 0, 0x10, 0, 0, 0x80, 1, 0, 0, 0, 9,
    ])
    expect([...writer.reset()]).toEqual([0, 0, 0, 0, 0x30, 0, 0, 0])
    expect([...encodeError(2, 'no')]).toEqual([10, 0, 0, 0, 0x7f, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0x6e, 0x6f])
  })

  it('are cut out of any pieces of a stream', () => {
    const stream = new Uint8Array([...encodeHello(1), ...writer.event(1, 2, 3), ...writer.reset()])
    const whole = framesOf(stream)
    expect(whole.map(({ type }) => type)).toEqual([FrameType.HELLO, FrameType.EVENT, FrameType.RESET])
    for (let size = 1; size < stream.length; size++) {
      const pieces: Uint8Array[] = []
      for (let at = 0; at < stream.length; at += size) pieces.push(stream.subarray(at, at + size))
      expect(framesOf(...pieces)).toEqual(whole)
    }
  })

  it('carry memory regions with paths', () => {
    const regions = [
      { gpa: 0, byteLength: 2 ** 30, path: '/dev/shm/a', fileOffset: 0 },
      { gpa: 2 ** 32, byteLength: 4096, path: '/tmp/größe mit Leerzeichen', fileOffset: 2 ** 33 },
    ]
    let decoded: unknown
    const reader = new FrameReader()
    reader.push(encodeMemory(regions))
    reader.drain((frame) => {
      expect(frame.length % 8).toBe(0)
      decoded = decodeMemory(frame)
      return true
    })
    expect(decoded).toEqual(regions)
  })

  it('break the stream when they are too long or of no known type', () => {
    expect(() => framesOf(Uint8Array.of(1, 0, 1, 0, 0x10, 0, 0, 0))).toThrow('65537')
    expect(() => framesOf(Uint8Array.of(0, 0, 0, 0, 0x12, 0, 0, 0))).toThrow('0x12')
    expect(framesOf(new Uint8Array([0, 0, 1, 0, 0x10, 0, 0, 0]))).toEqual([])
  })
})

interface Pair {
  readonly clock: ManualClock
  readonly remotePorts: RemotePorts
  readonly log: string[]
  readonly cut: () => void
  readonly raw: { left: StreamLink; right: StreamLink }
  guestFull: boolean
  rootBusy: boolean
  readonly remoteRoot: RemoteRoot
  readonly root: SynicRoot
}

function connectedPair(options: { connectRoot?: boolean } = {}): Pair {
  const clock = new ManualClock()
  const [near, far] = streamPair(clock)
  const left = new StreamLink(near, clock)
  const right = new StreamLink(far, clock)
  const log: string[] = []
  const memory = GuestMemory.allocate(4096, { kind: 'plain' })
  const ports: SynicPorts = {
    memory,
    processorCount: 2,
    postMessage(vp, sint, type, payload) {
      if (pair.guestFull) return 'full'
      log.push(`message ${vp}/${sint} ${type} [${payload.join()}]`)
      return 'delivered'
    },
    signalEvent(vp, sint, flag) {
      log.push(`event ${vp}/${sint} ${flag}`)
      return 'delivered'
    },
    connect: () => () => log.push('root disconnected'),
  }
  const root: SynicRoot = {
    messagePosted(connectionId, type, payload, vp) {
      if (pair.rootBusy) return 19
      log.push(`post ${connectionId} ${type} [${payload.join()}] by ${vp}`)
      return 0
    },
    eventSignaled(connectionId, flag, vp) {
      log.push(`signal ${connectionId} ${flag} by ${vp}`)
      return 0
    },
    partitionReset: () => log.push('reset'),
    partitionGone: (reason) => log.push(`gone: ${reason}`),
  }
  const remoteRoot = new RemoteRoot({ link: left, ports, clock, acceptsConnection: (id) => id === 1 })
  const remotePorts = new RemotePorts({ link: right, memory, processorCount: 2, clock })
  const pair: Pair = {
    clock,
    remotePorts,
    remoteRoot,
    root,
    log,
    cut: () => near.destroy(),
    raw: { left, right },
    guestFull: false,
    rootBusy: false,
  }
  if (options.connectRoot !== false) remotePorts.connect(root)
  return pair
}

describe('remote ports and remote root', () => {
  it('carry everything both ways, in order', async () => {
    const { remotePorts, remoteRoot, clock, log } = connectedPair()
    expect(remotePorts.postMessage(1, 2, 1, Uint8Array.of(5))).toBe('queued')
    expect(remotePorts.signalEvent(0, 2, 2047)).toBe('delivered')
    expect(remoteRoot.messagePosted(1, 1, Uint8Array.of(7), 1)).toBe(0)
    expect(remoteRoot.eventSignaled(0x2005, 3, 0)).toBe(0)
    remoteRoot.partitionReset()
    await clock.run()
    expect(log.filter((line) => /message|event/.test(line))).toEqual(['message 1/2 1 [5]', 'event 0/2 2047'])
    expect(log.filter((line) => !/message|event/.test(line))).toEqual([
      'post 1 1 [7] by 1',
      'signal 8197 3 by 0',
      'reset',
    ])
  })

  it('answer for what they know themselves', () => {
    const { remotePorts, remoteRoot } = connectedPair()
    expect(remotePorts.postMessage(2, 2, 1, new Uint8Array(1))).toBe('invalid')
    expect(remotePorts.postMessage(0, 16, 1, new Uint8Array(1))).toBe('invalid')
    expect(remotePorts.postMessage(0, 2, 1, new Uint8Array(241))).toBe('invalid')
    expect(remotePorts.signalEvent(0, 2, 2048)).toBe('invalid')
    expect(remoteRoot.messagePosted(4, 1, new Uint8Array(1), 0)).toBe(18)
  })

  it('keep what comes before a root is connected', async () => {
    const { remotePorts, remoteRoot, root, clock, log } = connectedPair({ connectRoot: false })
    remoteRoot.messagePosted(1, 1, Uint8Array.of(1), 0)
    remoteRoot.partitionReset()
    await clock.run()
    expect(log).toEqual([])
    remotePorts.connect(root)
    await clock.run()
    expect(log).toEqual(['post 1 1 [1] by 0', 'reset'])
  })

  it('offer a message again to a root without buffers and to a guest whose queue is full', async () => {
    const pair = connectedPair()
    pair.rootBusy = true
    pair.guestFull = true
    for (const byte of [1, 2]) {
      pair.remoteRoot.messagePosted(1, 1, Uint8Array.of(byte), 0)
      pair.remotePorts.postMessage(0, 2, 1, Uint8Array.of(byte))
    }
    await pair.clock.advance(100)
    expect(pair.log).toEqual([])
    pair.rootBusy = false
    pair.guestFull = false
    await pair.clock.advance(100)
    expect(pair.log.filter((line) => line.startsWith('post'))).toEqual(['post 1 1 [1] by 0', 'post 1 1 [2] by 0'])
    expect(pair.log.filter((line) => line.startsWith('message'))).toEqual(['message 0/2 1 [1]', 'message 0/2 1 [2]'])
  })

  it('say when the link is full, and send events that waited once there is room', async () => {
    const { remotePorts, clock, log } = connectedPair()
    const payload = new Uint8Array(240)
    let queued = 0
    while (remotePorts.postMessage(0, 2, 1, payload) === 'queued') queued++
    while (remotePorts.postMessage(0, 2, 1, payload.subarray(240)) === 'queued') queued++
    expect(remotePorts.postMessage(0, 2, 1, payload)).toBe('full')
    expect(queued).toBeGreaterThan(1000)
    for (let i = 0; i < 5; i++) expect(remotePorts.signalEvent(0, 2, 9)).toBe('delivered')
    await clock.run()
    expect(log.filter((line) => line.startsWith('message')).length).toBe(queued)
    expect(log.filter((line) => line.startsWith('event'))).toEqual(['event 0/2 9'])
    expect(remotePorts.postMessage(0, 2, 1, payload)).toBe('queued')
  })

  it('tell both sides when the connection is cut', async () => {
    const { remotePorts, cut, clock, log, root } = connectedPair()
    await clock.run()
    cut()
    await clock.run()
    expect(log).toContain('root disconnected')
    expect(log.some((line) => line.startsWith('gone: '))).toBe(true)
    expect(remotePorts.signalEvent(0, 2, 1)).toBe('gone')
    log.length = 0
    remotePorts.connect(root)
    await clock.run()
    expect(log.length).toBe(1)
  })

  it('end the connection with ERROR 2 when a frame is none of theirs', async () => {
    const wrong: readonly Uint8Array[] = [
      encodeHello(1),
      encodeFrame(FrameType.EVENT, new Uint8Array(16)),
      encodeFrame(FrameType.SIGNAL_EVENT, new Uint8Array(7)),
      encodeFrame(FrameType.RESET, new Uint8Array(1)),
      encodeFrame(FrameType.POST_MESSAGE, new Uint8Array(15)),
      encodeFrame(FrameType.POST_MESSAGE, new Uint8Array(17)),
      Uint8Array.of(255, 255, 255, 255, 1, 0, 0, 0),
      Uint8Array.of(0, 0, 0, 0, 99, 0, 0, 0),
    ]
    for (const frame of wrong) {
      const { raw, clock, log } = connectedPair()
      await clock.run()
      let end: { code?: number; reason: string } | undefined
      raw.left.start({ onFrame: () => true, onWritable() {}, onEnd: (how) => (end = how) })
      raw.left.send(frame)
      await clock.advance(2000)
      expect(end?.code).toBe(2)
      expect(log.some((line) => line.startsWith('gone: '))).toBe(true)
      expect(clock.pendingTimers).toBe(0)
    }
  })
})

describe('a frame reader', () => {
  it('hands over a frame again that was not taken', () => {
    const reader = new FrameReader()
    reader.push(new FrameWriter().reset())
    const seen: number[] = []
    const refuse = ({ type }: Frame): boolean => {
      seen.push(type)
      return seen.length > 2
    }
    for (let i = 0; i < 4; i++) reader.drain(refuse)
    expect(seen).toEqual([0x30, 0x30, 0x30])
    expect(reader.buffered).toBe(0)
  })
})
