import type { MessageBody } from '@bis/hyperv-types/vmbus'
import { VMBUS_STATUS_FAILURE, VMBUS_STATUS_SUCCESS } from '@bis/hyperv-types/vmbus'
import type { ChannelRecord } from './channel-record.ts'
import type { ControlContext } from './context.ts'
import { GpadlRecord, refuseHeader } from './gpadl-record.ts'
import type { GpadlMemory } from './types.ts'

/**
 * The GPADLs of one guest. As Hyper-V does, every flaw of a header or a finished list is answered by GPADL_CREATED with a
 * failure, a body that belongs to nothing by no answer at all, and a GPADL on a revoked channel is made and torn down like
 * any other.
 */
export class GpadlTable {
  readonly #context: ControlContext
  /** Bodies carry no channel id, so an unfinished GPADL is found by its handle alone. */
  readonly #incomplete = new Map<number, ChannelRecord>()
  #pages = 0
  #count = 0

  constructor(context: ControlContext) {
    this.#context = context
  }

  /** Pages that all GPADLs name, those announced and not yet listed included. */
  get pages(): number {
    return this.#pages
  }

  get count(): number {
    return this.#count
  }

  get incompleteCount(): number {
    return this.#incomplete.size
  }

  isIncomplete(handle: number): boolean {
    return this.#incomplete.has(handle)
  }

  header(record: ChannelRecord | undefined, body: MessageBody<'GPADL_HEADER'>): void {
    const { child_relid: channelId, gpadl: handle } = body
    const refusal = this.#refuse(record, body)
    if (refusal !== undefined || record === undefined) {
      this.#context.violation('bad-gpadl', `GPADL 0x${handle.toString(16)} of channel ${channelId}: ${refusal}`)
      this.#answer(channelId, handle, VMBUS_STATUS_FAILURE)
      return
    }
    const gpadl = new GpadlRecord(handle, body.rangecount, body.range_buflen)
    record.gpadls.set(handle, gpadl)
    this.#incomplete.set(handle, record)
    this.#pages += gpadl.pageCount
    this.#count++
    this.#append(record, gpadl, body.range)
  }

  body({ gpadl: handle, pfn }: MessageBody<'GPADL_BODY'>): void {
    const record = this.#incomplete.get(handle)
    const gpadl = record?.gpadls.get(handle)
    if (record === undefined || gpadl === undefined) {
      this.#context.violation('unknown-gpadl', `body for GPADL 0x${handle.toString(16)}, which is not being made`)
      return
    }
    this.#append(record, gpadl, pfn)
  }

  teardown(record: ChannelRecord, handle: number): void {
    const gpadl = record.gpadls.get(handle)
    if (gpadl?.state !== 'ready') {
      const state = gpadl?.state ?? 'unknown'
      const text = `teardown of GPADL 0x${handle.toString(16)} of channel ${record.channelId}, which is ${state}`
      this.#context.violation(gpadl === undefined ? 'unknown-gpadl' : 'unexpected', text)
      return
    }
    gpadl.state = 'waiting'
    if (isRing(record, handle) && record.device.at !== 'closing') {
      const text = `ring GPADL 0x${handle.toString(16)} torn down while channel ${record.channelId} is ${record.device.at}; answered when it is closed`
      this.#context.violation('unexpected', text)
    }
    this.#advance(record, gpadl)
  }

  /** The memory of a GPADL that may be used now. */
  find(record: ChannelRecord, handle: number): GpadlMemory | undefined {
    const gpadl = record.gpadls.get(handle)
    return gpadl?.state === 'ready' ? gpadl.memory : undefined
  }

  /** The device has let go of a GPADL. */
  released(record: ChannelRecord, handle: number): void {
    const gpadl = record.gpadls.get(handle)
    if (gpadl?.state === 'releasing') this.#finish(record, gpadl)
  }

  /** The device is done with a channel: teardowns that waited for it go on. */
  deviceClosed(record: ChannelRecord): void {
    for (const channel of record.group.channels) {
      for (const gpadl of [...channel.gpadls.values()]) {
        if (gpadl.state === 'waiting') this.#advance(channel, gpadl)
      }
    }
  }

  /** Whether the device is being asked to let go of something. */
  isReleasing(record: ChannelRecord): boolean {
    for (const { state } of record.gpadls.values()) if (state === 'releasing') return true
    return false
  }

  /** Forgets the GPADLs of a channel whose guest has gone, but for those that a device has yet to let go of. */
  drop(record: ChannelRecord): void {
    for (const gpadl of [...record.gpadls.values()]) {
      if (gpadl.state !== 'releasing') this.#remove(record, gpadl)
    }
  }

  /** Forgets all but what a reserved channel's ring needs. */
  dropUnused(record: ChannelRecord): void {
    for (const gpadl of [...record.gpadls.values()]) {
      if (!isRing(record, gpadl.handle)) this.#remove(record, gpadl)
    }
  }

  #refuse(record: ChannelRecord | undefined, body: MessageBody<'GPADL_HEADER'>): string | undefined {
    const { limits } = this.#context
    if (record === undefined) return 'no such channel'
    // Bodies name no channel: a GPADL here could be mistaken for one of the next connection.
    if (record.reserved) return 'the channel is reserved and open'
    if (record.gpadls.has(body.gpadl)) return 'the handle is taken'
    if (this.#incomplete.has(body.gpadl)) return 'the handle is being made on another channel'
    const flaw = refuseHeader(body.rangecount, body.range_buflen)
    if (flaw !== undefined) return flaw
    if (this.#count >= limits.gpadls) return `the guest has ${this.#count} GPADLs, as many as it may`
    if (this.#incomplete.size >= limits.incompleteGpadls) return `${this.#incomplete.size} GPADLs are unfinished`
    const pages = this.#pages + body.range_buflen / 8 - body.rangecount
    if (pages > limits.gpadlPages) return `${pages} pages in GPADLs, where ${limits.gpadlPages} are allowed`
    return undefined
  }

  #append(record: ChannelRecord, gpadl: GpadlRecord, words: Uint8Array): void {
    if (!gpadl.append(words)) return
    this.#incomplete.delete(gpadl.handle)
    const announced = gpadl.pageCount
    const refusal = gpadl.complete(this.#context.limits.isMemory)
    if (refusal === undefined) {
      this.#pages += gpadl.pageCount - announced
      this.#answer(record.channelId, gpadl.handle, VMBUS_STATUS_SUCCESS)
      return
    }
    this.#remove(record, gpadl)
    const text = `GPADL 0x${gpadl.handle.toString(16)} of channel ${record.channelId}: ${refusal}`
    this.#context.violation('bad-gpadl', text)
    this.#answer(record.channelId, gpadl.handle, VMBUS_STATUS_FAILURE)
  }

  #advance(record: ChannelRecord, gpadl: GpadlRecord): void {
    if (isRing(record, gpadl.handle)) return
    if (record.client !== 'revoked') {
      gpadl.state = 'releasing'
      this.#context.effect(() => this.#context.effects.releaseGpadl(record, gpadl.handle))
    } else if (record.group.channels.every(({ device }) => device.at === 'closed')) {
      this.#finish(record, gpadl)
    }
  }

  #finish(record: ChannelRecord, gpadl: GpadlRecord): void {
    this.#remove(record, gpadl)
    if (record.client !== 'unknown') this.#context.send('GPADL_TORNDOWN', { gpadl: gpadl.handle })
  }

  #remove(record: ChannelRecord, gpadl: GpadlRecord): void {
    record.gpadls.delete(gpadl.handle)
    if (gpadl.state === 'incomplete') this.#incomplete.delete(gpadl.handle)
    this.#pages -= gpadl.pageCount
    this.#count--
  }

  #answer(channelId: number, handle: number, status: number): void {
    this.#context.send('GPADL_CREATED', { child_relid: channelId, gpadl: handle, creation_status: status })
  }
}

/** Whether a channel that is not closed has its rings in this GPADL. */
export function isRing(record: ChannelRecord, handle: number): boolean {
  return record.device.at !== 'closed' && record.device.request.ring.handle === handle
}
