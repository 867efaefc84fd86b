import type { HostChannelHandlers, PageRun, VspDevice } from '@bis/hyperv-types'
import { ManualClock, PAGE_SIZE, PageAllocator, SendStatus } from '@bis/hyperv-types'
import type { RingConsumer, RingProducer } from '@bis/hyperv-types/ring'
import { initRing, scriptEngine, splitRingPair } from '@bis/hyperv-types/ring'
import type { ControlMessage, MessageBody, MessageInit, MessageName } from '@bis/hyperv-types/vmbus'
import { encodeControlMessage, encodeGpaRanges, parseControlMessage } from '@bis/hyperv-types/vmbus'
import type { HostReleaseName } from '../../src/host-release.ts'
import { hostRelease } from '../../src/host-release.ts'
import type { VmbusServerOptions } from '../../src/vmbus/server-options.ts'
import { VmbusServer } from '../../src/vmbus/vmbus-server.ts'
import { TestPorts } from './test-ports.ts'

export const SCSI = 'ba6163d9-04a1-4d29-b605-72e2ffb1dc7f'
export const instance = (n: number) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`

export interface TestGuestOptions extends Partial<Omit<VmbusServerOptions, 'release'>> {
  readonly release?: HostReleaseName
  readonly processors?: number
}

/** A guest that a test drives message by message, and the server that serves it. */
export class TestGuest {
  readonly clock: ManualClock
  readonly ports: TestPorts
  readonly pages: PageAllocator
  readonly server: VmbusServer
  readonly log: string[] = []
  version = 0
  features = 0

  constructor(options: TestGuestOptions = {}) {
    this.ports = new TestPorts(undefined, options.processors)
    this.clock = options.clock instanceof ManualClock ? options.clock : new ManualClock()
    this.pages = new PageAllocator(this.ports.memory)
    this.server = new VmbusServer({
      ...options,
      ports: this.ports,
      clock: this.clock,
      release: hostRelease(options.release ?? '2025'),
      log: { log: (_level, text) => this.log.push(text) },
    })
  }

  /** Posts bytes; @returns the hypercall's status */
  post(payload: Uint8Array, connectionId = 1): number {
    return this.ports.root.messagePosted(connectionId, 1, payload, 0)
  }

  /** Posts a message and lets the host work. @returns what it sent in answer */
  async send<N extends MessageName>(name: N, init: MessageInit<N>): Promise<ControlMessage[]> {
    this.post(encodeControlMessage(name, init, this.version, this.features))
    return this.answers()
  }

  /** Lets the host work. @returns the messages it has sent since the last time */
  async answers(): Promise<ControlMessage[]> {
    await this.clock.run()
    const sent = this.ports.messages
    this.ports.messages = []
    return sent.map(({ payload }) => {
      const message = parseControlMessage(payload)
      if (message.kind !== 'message') throw new Error(`the host sent a message that is ${message.kind}`)
      return message
    })
  }

  contact(version: number, change: Partial<MessageInit<'INITIATE_CONTACT'>> = {}): Promise<ControlMessage[]> {
    const init = {
      vmbus_version_requested: version,
      target_vcpu: 0,
      interrupt:
        version >= 0x5_0000
          ? { target: { msg_sint: 2, target_vtl: 0, feature_flags: 0 } }
          : { interrupt_page: version < 0x2_0004 ? 0x8_0000 : 0 },
      monitor_page1: 0,
      monitor_page2: 0,
      client_id: '00000000-0000-0000-0000-000000000000',
      ...change,
    }
    this.version = version
    return this.send('INITIATE_CONTACT', init)
  }

  /** Connects and asks for the offers. @returns the offers */
  async connect(
    version = 0x5_0003,
    change: Partial<MessageInit<'INITIATE_CONTACT'>> = {},
  ): Promise<MessageBody<'OFFER_CHANNEL'>[]> {
    const [response] = await this.contact(version, change)
    if (response?.name !== 'VERSION_RESPONSE' || response.body.version_supported !== 1) throw new Error('refused')
    if (version >= 0x6_0000) this.features = response.body.supported_features
    const answers = await this.send('REQUEST_OFFERS', {})
    return bodies(answers, 'OFFER_CHANNEL')
  }

  /** Describes pages as one GPADL, in as many messages as it takes. */
  async gpadl(
    channelId: number,
    handle: number,
    pfns: readonly number[],
    byteCount = pfns.length * PAGE_SIZE,
  ): Promise<ControlMessage[]> {
    const list = encodeGpaRanges([{ byteCount, byteOffset: 0, pfns }])
    const header = {
      child_relid: channelId,
      gpadl: handle,
      range_buflen: list.length,
      rangecount: 1,
      range: list.slice(0, 216),
    }
    this.post(encodeControlMessage('GPADL_HEADER', header, this.version))
    for (let at = 216; at < list.length; at += 224) {
      this.post(
        encodeControlMessage(
          'GPADL_BODY',
          { msgnumber: 0, gpadl: handle, pfn: list.slice(at, at + 224) },
          this.version,
        ),
      )
    }
    return this.answers()
  }

  /** Makes rings of pages that follow each other, and opens the channel. */
  async open(
    channelId: number,
    options: { ringPages?: number; handle?: number; vp?: number } = {},
  ): Promise<OpenedChannel> {
    const ringPages = options.ringPages ?? 4
    const run = this.pages.allocate(ringPages * 2)
    const rings = splitRingPair(run.bytes, ringPages)
    initRing(rings.outgoing)
    initRing(rings.incoming)
    const handle = options.handle ?? 0xe1e10 + channelId
    const created = await this.gpadl(channelId, handle, pfnsOf(run))
    if (only(created, 'GPADL_CREATED').creation_status !== 0) throw new Error('GPADL refused')
    const status = await this.openWith(channelId, handle, ringPages, options.vp)
    const tx = scriptEngine.producer(rings.outgoing)
    const rx = scriptEngine.consumer(rings.incoming, 4096)
    return { channelId, handle, run, status, tx, rx }
  }

  async openWith(channelId: number, handle: number, downstreamPage: number, vp = 0): Promise<number> {
    const answers = await this.send('OPEN_CHANNEL', openMessage(channelId, handle, downstreamPage, vp))
    return only(answers, 'OPEN_RESULT').status
  }

  signal(channelId: number): number {
    return this.ports.root.eventSignaled(0x2000 + channelId, 0, 0)
  }
}

export interface OpenedChannel {
  readonly channelId: number
  readonly handle: number
  readonly run: PageRun
  readonly status: number
  readonly tx: RingProducer
  readonly rx: RingConsumer
}

export function openMessage(
  channelId: number,
  handle: number,
  downstreamPage: number,
  vp = 0,
): MessageInit<'OPEN_CHANNEL'> {
  return {
    child_relid: channelId,
    openid: channelId,
    ringbuffer_gpadlhandle: handle,
    target_vp: vp,
    downstream_ringbuffer_pageoffset: downstreamPage,
    userdata: new Uint8Array(120),
    signal_connection_id: (0x2000 + channelId) >>> 0,
    event_flag: channelId & 0xffff,
    flags: { redirect_interrupt: 0 },
  }
}

export function pfnsOf(run: PageRun): number[] {
  return Array.from({ length: run.pageCount }, (_, page) => run.pfn + page)
}

/** The bodies of the messages of one name. */
export function bodies<N extends MessageName>(messages: readonly ControlMessage[], name: N): MessageBody<N>[] {
  return messages.filter((message) => message.name === name).map((message) => message.body as MessageBody<N>)
}

/** The body of the one message of that name. */
export function only<N extends MessageName>(messages: readonly ControlMessage[], name: N): MessageBody<N> {
  const found = bodies(messages, name)
  const [body] = found
  if (body === undefined || found.length !== 1) {
    throw new Error(`${found.length} ${name} in ${messages.map((message) => message.name).join(', ')}`)
  }
  return body
}

export function names(messages: readonly ControlMessage[]): MessageName[] {
  return messages.map(({ name }) => name)
}

interface Reply {
  readonly low: number
  readonly high: number
  readonly data: Uint8Array
}
const NO_REPLY: Reply = { low: 0, high: 0, data: new Uint8Array() }

/** A device that answers each packet that wants a completion, and notes what happens to it. */
export class EchoDevice implements VspDevice {
  readonly offer: VspDevice['offer']
  readonly events: string[] = []
  refuse = false

  constructor(n = 1, offer: Partial<VspDevice['offer']> = {}) {
    this.offer = { interfaceId: SCSI, instanceId: instance(n), ...offer }
  }

  openChannel: VspDevice['openChannel'] = (channel): HostChannelHandlers | undefined => {
    this.events.push(`open ${channel.subIndex}`)
    if (this.refuse) return undefined
    const waiting: Reply[] = []
    const flush = () => {
      while (waiting.length > 0) {
        const [{ low, high, data } = NO_REPLY] = waiting
        if (channel.send(11, 0, low, high, undefined, 0, data, 0, data.length) === SendStatus.full) return
        waiting.shift()
      }
    }
    return {
      onPacket: (packet) => {
        if ((packet.flags & 1) === 0) return
        const { transactionIdLow: low, transactionIdHigh: high, bytes, dataOffset, dataLength } = packet
        waiting.push({ low, high, data: bytes.slice(dataOffset, dataOffset + dataLength) })
        // In order: a reply that found no room goes first.
        if (waiting.length === 1) flush()
      },
      onWritable: flush,
      onClose: () => {
        this.events.push(`close ${channel.subIndex}`)
      },
      onFailure: (error) => {
        this.events.push(`failure: ${error.message}`)
      },
    }
  }

  gpadlTeardown(handle: number): Promise<void> | void {
    this.events.push(`teardown 0x${handle.toString(16)}`)
  }

  reset(): void {
    this.events.push('reset')
  }
}
