import type { Hypervisor, SynicPorts } from '@bis/hyperv-types'
import { HvStatus } from '@bis/hyperv-types/hypervisor'
import { holds, same } from './expect.ts'
import { SINT, SynicGuest } from './guest.ts'
import { NotingRoot } from './root.ts'

/** One partition of two processors (VP indices 0 and 1) with at least 2 MiB of memory, and its ports at the root's end. */
export interface PortsFixture extends AsyncDisposable {
  readonly partition: Hypervisor & { reset(): void; powerOff(reason?: string): void }
  /** The ports as the root has them, behind the transport that is tried. */
  readonly ports: SynicPorts
  /** Whether each end only knows that something is on its way, not what becomes of it. */
  readonly remote: boolean
  /** Lets things happen until the condition holds. Rejects after a while when it does not. */
  until(what: string, condition: () => boolean): Promise<void>
  /** Lets everything on its way arrive. */
  settle(): Promise<void>
}

export interface PortsCase {
  readonly name: string
  run(fixture: PortsFixture): Promise<void>
}

const BURST = 500

function payloadOf(number: number): Uint8Array {
  return Uint8Array.of(number & 0xff, number >> 8)
}

function numberOf(payload: Uint8Array): number {
  return (payload[0] ?? 0) + (payload[1] ?? 0) * 256
}

function started({ partition }: PortsFixture): SynicGuest {
  const guest = new SynicGuest(partition)
  guest.start()
  return guest
}

/** What any transport of SynIC ports must do. Each case wants a fixture of its own. */
export const synicPortsCases: readonly PortsCase[] = [
  {
    name: 'messages to the guest arrive whole, once and in order',
    async run(fixture) {
      const guest = started(fixture)
      const { ports } = fixture
      for (let i = 0; i < BURST; i++) {
        const delivery = ports.postMessage(0, SINT, 1, payloadOf(i))
        holds(`message ${i}: ${delivery}`, delivery === 'delivered' || delivery === 'queued')
      }
      ports.postMessage(0, SINT, 0x8000_0001, new Uint8Array(240).fill(7))
      ports.postMessage(0, SINT, 3, new Uint8Array(0))
      await fixture.until('all messages', () => guest.messages.length >= BURST + 2)
      await fixture.settle()
      const numbers = guest.messages.slice(0, BURST).map(({ payload }) => numberOf(payload))
      same(
        'order',
        numbers,
        Array.from({ length: BURST }, (_, i) => i),
      )
      same('a long one', guest.messages[BURST], { type: 0x8000_0001, payload: new Uint8Array(240).fill(7) })
      same('an empty one', guest.messages[BURST + 1], { type: 3, payload: new Uint8Array(0) })
      same('how many', guest.messages.length, BURST + 2)
    },
  },
  {
    name: 'messages wait while the SINT is masked, events are lost',
    async run(fixture) {
      const guest = started(fixture)
      guest.setMasked(true)
      const delivery = fixture.ports.postMessage(0, SINT, 1, payloadOf(1))
      same('delivery', delivery, fixture.remote ? 'queued' : 'masked')
      fixture.ports.signalEvent(0, SINT, 5)
      await fixture.settle()
      same('messages before', guest.messages.length, 0)
      guest.setMasked(false)
      await fixture.until('the message', () => guest.messages.length > 0)
      await fixture.settle()
      same('events', guest.events, [])
      same('messages', guest.messages.length, 1)
    },
  },
  {
    name: 'events reach the guest, each flag at least once after it was last signalled',
    async run(fixture) {
      const guest = started(fixture)
      for (const flag of [0, 1, 31, 32, 2047])
        same(`flag ${flag}`, fixture.ports.signalEvent(0, SINT, flag), 'delivered')
      await fixture.until('five events', () => guest.events.length >= 5)
      same(
        'flags',
        [...guest.events].sort((a, b) => a - b),
        [0, 1, 31, 32, 2047],
      )
      guest.events.length = 0
      for (let i = 0; i < BURST; i++) fixture.ports.signalEvent(0, SINT, 7)
      await fixture.until('one more event', () => guest.events.length > 0)
      await fixture.settle()
      holds(
        'only that flag',
        guest.events.every((flag) => flag === 7),
      )
    },
  },
  {
    name: 'both processors have ports of their own',
    async run(fixture) {
      const guest = new SynicGuest(fixture.partition)
      guest.start(1)
      fixture.ports.signalEvent(0, SINT, 9)
      fixture.ports.signalEvent(1, SINT, 10)
      fixture.ports.postMessage(1, SINT, 1, payloadOf(1))
      await fixture.until('both', () => guest.events.length > 0 && guest.messages.length > 0)
      await fixture.settle()
      same('events', guest.events, [10])
    },
  },
  {
    name: 'what does not exist is refused, whatever the numbers are',
    async run(fixture) {
      const guest = started(fixture)
      const { ports } = fixture
      const payload = payloadOf(1)
      for (const bad of [16, 17, 255, 0x7fff_ffff, 0xffff_ffff, -1, 0.5, Number.NaN]) {
        same(
          `SINT ${bad}`,
          [ports.signalEvent(0, bad, 1), ports.postMessage(0, bad, 1, payload)],
          ['invalid', 'invalid'],
        )
        same(
          `VP ${bad}`,
          [ports.signalEvent(bad, SINT, 1), ports.postMessage(bad, SINT, 1, payload)],
          ['invalid', 'invalid'],
        )
      }
      for (const bad of [2048, 65_535, 0xffff_ffff, -1, 0.5])
        same(`flag ${bad}`, ports.signalEvent(0, SINT, bad), 'invalid')
      same('241 bytes', ports.postMessage(0, SINT, 1, new Uint8Array(241)), 'invalid')
      same('type 0', ports.postMessage(0, SINT, 0, payload), 'invalid')
      await fixture.settle()
      same('what arrived', [guest.events.length, guest.messages.length], [0, 0])
    },
  },
  {
    name: 'posts and signals of the guest reach the root, posts once and in order',
    async run(fixture) {
      const guest = started(fixture)
      const root = new NotingRoot()
      fixture.ports.connect(root)
      for (let i = 0; i < BURST; i++) {
        while (guest.post(1, payloadOf(i)) === HvStatus.INSUFFICIENT_BUFFERS) await fixture.settle()
      }
      same('longest', guest.post(1, new Uint8Array(240).fill(3), 1), HvStatus.SUCCESS)
      same('a signal', guest.signal(0x2005, 3, 1), HvStatus.SUCCESS)
      await fixture.until('all posts', () => root.posts.length > BURST && root.signals.length > 0)
      await fixture.settle()
      same(
        'order',
        root.posts.slice(0, BURST).map(({ payload }) => numberOf(payload)),
        Array.from({ length: BURST }, (_, i) => i),
      )
      const last = { connectionId: 1, type: 1, payload: new Uint8Array(240).fill(3), vp: 1 }
      same('the last', root.posts.slice(BURST), [last])
      same('the signal', root.signals, [{ connectionId: 0x2005, flag: 3, vp: 1 }])
    },
  },
  {
    name: 'signals in a burst may be joined, but the last one is never lost',
    async run(fixture) {
      const guest = started(fixture)
      const root = new NotingRoot()
      fixture.ports.connect(root)
      for (let round = 0; round < 20; round++) {
        const before = root.signals.length
        for (let i = 0; i < BURST; i++) same('status', guest.signal(0x2001), HvStatus.SUCCESS)
        await fixture.until('a signal', () => root.signals.length > before)
        await fixture.settle()
      }
      holds('never more than were sent', root.signals.length <= 20 * BURST)
    },
  },
  {
    name: 'a root without buffers loses nothing',
    async run(fixture) {
      const guest = started(fixture)
      const root = new NotingRoot()
      root.status = HvStatus.INSUFFICIENT_BUFFERS
      fixture.ports.connect(root)
      let posted = 0
      for (let i = 0; i < 10; i++) if (guest.post(1, payloadOf(posted)) === HvStatus.SUCCESS) posted++
      await fixture.settle()
      same('before', root.posts.length, 0)
      root.status = HvStatus.SUCCESS
      for (; posted < 20; posted++) {
        while (guest.post(1, payloadOf(posted)) === HvStatus.INSUFFICIENT_BUFFERS) await fixture.settle()
      }
      await fixture.until('all posts', () => root.posts.length >= 20)
      same(
        'order',
        root.posts.map(({ payload }) => numberOf(payload)),
        Array.from({ length: 20 }, (_, i) => i),
      )
    },
  },
  {
    name: 'memory is one: what either end writes, the other reads',
    async run(fixture) {
      const gpa = 0x1f_0000
      const [ours, theirs] = [fixture.partition.memory, fixture.ports.memory]
      same(
        'sizes',
        theirs.regions.map((r) => [r.gpa, r.byteLength]),
        ours.regions.map((r) => [r.gpa, r.byteLength]),
      )
      ours.write(gpa, Uint8Array.of(1, 2, 3))
      same('guest to root', theirs.bytesAt(gpa, 3).slice(), Uint8Array.of(1, 2, 3))
      const words = (memory: typeof ours): Int32Array => {
        const bytes = memory.bytesAt(gpa + 8, 4)
        return new Int32Array(bytes.buffer, bytes.byteOffset, 1)
      }
      Atomics.or(words(theirs), 0, 0x50)
      same('root to guest', Atomics.or(words(ours), 0, 5), 0x50)
      same('both', Atomics.load(words(theirs), 0), 0x55)
    },
  },
  {
    name: 'a reset is told in its place, and the ports go on',
    async run(fixture) {
      const guest = started(fixture)
      const root = new NotingRoot()
      fixture.ports.connect(root)
      guest.post(1, payloadOf(1))
      fixture.partition.reset()
      await fixture.until('the reset', () => root.notes.length > 0)
      same('notes', root.notes, ['reset'])
      same('posts before', root.posts.length, 1)
      const again = started(fixture)
      same('post after', again.post(1, payloadOf(2)), HvStatus.SUCCESS)
      fixture.ports.postMessage(0, SINT, 1, payloadOf(3))
      await fixture.until('both ways', () => root.posts.length === 2 && again.messages.length === 1)
    },
  },
  {
    name: 'there is one root at a time, and another after it',
    async run(fixture) {
      const guest = started(fixture)
      const first = new NotingRoot()
      const disconnect = fixture.ports.connect(first)
      let refused = false
      try {
        fixture.ports.connect(new NotingRoot())
      } catch {
        refused = true
      }
      holds('a second root is refused', refused)
      disconnect()
      disconnect()
      const second = new NotingRoot()
      fixture.ports.connect(second)
      same('post', guest.post(1, payloadOf(1)), HvStatus.SUCCESS)
      await fixture.until('the post', () => second.posts.length === 1)
      same('first root', first.posts.length, 0)
    },
  },
  {
    name: 'the end of the partition is told once, and nothing works after it',
    async run(fixture) {
      started(fixture)
      const root = new NotingRoot()
      fixture.ports.connect(root)
      fixture.partition.powerOff('done')
      await fixture.until('the end', () => root.notes.length > 0)
      await fixture.settle()
      same('notes', root.notes.length, 1)
      holds(`reason: ${root.notes[0]}`, root.notes[0]?.startsWith('gone: ') === true)
      same('event', fixture.ports.signalEvent(0, SINT, 1), 'gone')
      same('message', fixture.ports.postMessage(0, SINT, 1, payloadOf(1)), 'gone')
    },
  },
]
