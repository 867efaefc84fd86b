import { Corpus } from '@bis/build/corpus'
import { fuzzCases, fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import type { Channel, PageRun } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { formatGuid } from '@bis/hyperv-types/struct'
import type { MessageName } from '@bis/hyperv-types/vmbus'
import { CONTROL_MESSAGES, VMBUS_VERSIONS } from '@bis/hyperv-types/vmbus'
import { expect, it } from 'vitest'
import type { Machine } from '../machine.ts'
import { createMachine, leftovers, RINGS, testDriver } from '../machine.ts'
import { Random } from './random.ts'

/** Things that the host does in one run; each run has a machine of its own. */
const STEPS = 200
const CASES = fuzzRuns(50_000)

const NAMES = Object.keys(CONTROL_MESSAGES) as MessageName[]
const DATA = new Uint8Array(2000)
/** Values that sit at the edges of checks. */
const EDGES = [0, 1, 2, 3, 5, 127, 128, 255, 256, 2047, 2048, 4095, 4096, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

interface Guest {
  readonly machine: Machine
  readonly random: Random
  readonly shared: { channel: Channel; run: PageRun; gpadl: Promise<unknown> }[]
  /** Everything the guest asked for: each must end. */
  readonly pending: Set<Promise<unknown>>
  /** What this run has shown of the guest. */
  readonly features: Set<string>
}

function id(random: Random): number {
  return random.chance(8) ? random.pick(EDGES) : random.below(9)
}

/** A message of a known kind with fields that could be right, cut, drawn out or scribbled over. */
function controlMessage({ random }: Guest): Uint8Array {
  const { type, layout } = CONTROL_MESSAGES[random.pick(NAMES)]
  const message = new Uint8Array(240)
  const view = new DataView(message.buffer)
  for (let at = 8; at + 4 <= layout.size; at += 4) {
    const value = random.chance(3) ? 0xe1e10 + random.below(12) : id(random)
    view.setUint32(at, value >>> 0, true)
  }
  view.setUint32(0, type, true)
  if (random.chance(6)) message.set(random.bytes(4), random.below(236))
  if (random.chance(30)) return random.bytes(random.below(241))
  const length = random.chance(4) ? random.below(241) : layout.size
  return message.subarray(0, length)
}

function hostStep(guest: Guest): void {
  const { machine, random } = guest
  const { root } = machine
  switch (random.below(14)) {
    case 0:
    case 1:
    case 2:
    case 3:
      root.sendBytes(controlMessage(guest), 0, random.chance(40) ? random.pick(EDGES) : 1)
      return
    case 4:
    case 5:
    case 6:
      root.offer({
        channelId: id(random),
        instanceId: formatGuid(new Uint8Array(16).fill(random.below(4)), 0),
        subIndex: random.chance(3) ? random.below(4) : 0,
        dedicated: !random.chance(4),
        flags: random.chance(4) ? random.below(0x10000) : 0,
        ...(random.chance(3) ? { monitorId: random.below(256) } : {}),
      })
      return
    case 7:
      root.rescind(id(random))
      return
    case 8:
      root.signal(random.below(2100), 0)
      return
    case 9:
      scribble(guest)
      return
    case 10: {
      const name = random.pick(NAMES)
      if (name === 'INITIATE_CONTACT') return
      if (root.mute.has(name)) root.mute.delete(name)
      else if (random.chance(3)) root.mute.add(name)
      return
    }
    case 11:
      root.status.set(random.pick(NAMES), random.pick(EDGES))
      if (random.chance(2)) root.status.clear()
      return
    default:
      for (let channelId = 1; channelId < 9; channelId++) root.signal(channelId, 0)
  }
}

/** Writes into whatever the host can reach: rings, message page, event flags, monitor pages. */
function scribble({ machine, random }: Guest): void {
  const { memory } = machine.partition
  const pfns = machine.root.received.flatMap((message) => {
    if (message.name === 'GPADL_HEADER' && message.body.range.length >= 16) {
      const { range } = message.body
      return [Number(new DataView(range.buffer, range.byteOffset + 8, 8).getBigUint64(0, true))]
    }
    if (message.name !== 'INITIATE_CONTACT') return []
    const { monitor_page1, monitor_page2, interrupt } = message.body
    const page = interrupt.interrupt_page >= 4096 && interrupt.interrupt_page < 2 ** 32 ? interrupt.interrupt_page : 0
    return [monitor_page1 / 4096, monitor_page2 / 4096, page / 4096]
  })
  if (pfns.length === 0) return
  const page = random.pick(pfns.slice(-12)) + random.below(4)
  const held = machine.pages.heldPages > 0 || machine.pages.allocatedPages > 0
  if (page === 0 || !held || !memory.contains(page * 4096, 4096)) return
  const view = memory.viewAt(page * 4096, 4096)
  if (random.chance(2))
    view.setUint32(random.below(4) * 4, random.chance(2) ? random.pick(EDGES) : random.below(1000) * 8, true)
  else view.setUint32(random.below(1023) * 4, random.next(), true)
}

function guestStep(guest: Guest): void {
  const { machine, random } = guest
  const primaries = machine.driver.attached?.channels ?? []
  if (primaries.length === 0) return
  const primary = random.pick(primaries)
  const channel = random.chance(3) && primary.subchannels.length > 0 ? random.pick(primary.subchannels) : primary
  switch (random.below(7)) {
    case 0:
      ask(guest, channel.open({ ...RINGS, ...handlers(guest), monitored: random.chance(2) }))
      return
    case 1:
      ask(guest, channel.close())
      return
    case 2: {
      const run = machine.pages.allocate(1 + random.below(40))
      guest.shared.push({ channel, run, gpadl: ask(guest, channel.establishGpadl(run)) })
      return
    }
    case 3: {
      const [last] = guest.shared.splice(random.below(guest.shared.length + 1), 1)
      if (last === undefined) return
      const done = last.gpadl.then(
        (gpadl) => (gpadl === undefined ? undefined : last.channel.teardownGpadl(gpadl as never)),
        () => {},
      )
      const free = (): void => machine.pages.free(last.run)
      ask(guest, done.then(free, free))
      return
    }
    case 4:
      ask(guest, channel.setCpu(random.below(2)))
      return
    default:
      for (let i = random.below(20); i > 0; i--) {
        const status = channel.send(6, 1, i, 0, undefined, 0, DATA, 0, random.below(2000))
        if (status !== SendStatus.sent) return
      }
  }
}

function handlers({ random }: Guest) {
  const seen = { bytes: 0 }
  return {
    onPacket(packet: { bytes: Uint8Array; dataOffset: number; dataLength: number; length: number }) {
      expect(packet.dataOffset + packet.dataLength).toBe(packet.length)
      expect(packet.length).toBeLessThanOrEqual(packet.bytes.length)
      seen.bytes += packet.bytes[packet.length - 1] ?? 0
    },
    maxPacketBytes: random.chance(2) ? 256 : 4096,
  }
}

function ask<T>(guest: Guest, promise: Promise<T>): Promise<T | undefined> {
  const ended = promise.catch((error: unknown) => {
    const named = error instanceof Error ? error.name : ''
    expect(['ChannelError', 'VmbusError', 'MemoryError'], String(error)).toContain(named)
    guest.features.add(shape(String(error)))
    return undefined
  })
  guest.pending.add(ended)
  void ended.then(() => guest.pending.delete(ended))
  return ended
}

/** A line of text without its numbers. */
function shape(text: string): string {
  return text.replaceAll(/0x[0-9a-f]+|[0-9a-f-]{36}|[0-9]+/g, '#')
}

/** @returns what the run has shown */
async function run(seed: number): Promise<ReadonlySet<string>> {
  const random = new Random(seed)
  const machine = await createMachine({
    partition: { processorCount: 2 },
    minVersion: 0,
    timing: { replyMs: 200, rescindMs: 50, offersMs: 500, unloadMs: 500, contactMs: 50, clearingMs: 20 },
    drivers: random.chance(2) ? [testDriver({ attach: (channel) => channel.open(RINGS).catch(() => {}) })] : [],
  })
  machine.root.maxVersion = random.pick(VMBUS_VERSIONS)
  machine.root.features = random.below(256)
  for (let channelId = 1; channelId <= random.below(5); channelId++) machine.root.offers.push({ channelId })
  const guest: Guest = { machine, random, shared: [], pending: new Set(), features: new Set() }
  const booting = machine.boot()
  if (random.chance(3)) hostStep(guest)
  await booting
  for (let step = 0; step < STEPS; step++) {
    hostStep(guest)
    if (random.chance(2)) guestStep(guest)
    if (random.chance(4)) await machine.clock.advance(random.chance(4) ? 60 : 0)
  }
  await machine.clock.advance(2000)
  expect(guest.pending.size, 'requests that never ended').toBe(0)
  for (const { run: pages } of guest.shared) machine.pages.free(pages)
  expect(machine.dmesg().length).toBeLessThan(400)
  for (const line of machine.dmesg()) guest.features.add(shape(line))
  for (const [name, count] of Object.entries(machine.driver.attached?.counters ?? {})) {
    if (count !== 0) guest.features.add(name)
  }
  machine.root.mute.clear()
  const left = await leftovers(machine)
  expect(left).toMatchObject({ allocatedPages: 0, overlayPages: 0, timers: 0 })
  machine.root.close()
  return guest.features
}

it(
  `[GH-01] [GH-04] [GH-05] [VC-01] survives ${CASES} hostile acts of the host`,
  async () => {
    const corpus = new Corpus<number>(new URL('corpus/hostile-host.jsonl', import.meta.url))
    const kept = [...corpus.inputs]
    for (let i = -kept.length; i < CASES / STEPS; i++) {
      const seed = kept[i + kept.length] ?? fuzzSeed + i
      try {
        corpus.note(seed, await run(seed))
        // The test runner wants a turn of the event loop now and then.
        if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
      } catch (error) {
        throw new Error(`seed ${seed}: BIS_FUZZ=0.001 BIS_FUZZ_SEED=${seed} repeats it`, { cause: error })
      }
    }
    fuzzCases(`hostile acts of hosts against the guest; ${corpus.size} kinds of outcome`, CASES)
  },
  fuzzTimeout(120_000),
)
