import type { Gpadl, PageRun } from '@bis/hyperv-types'
import { ChannelError, sleep } from '@bis/hyperv-types'
import { encodeControlMessage } from '@bis/hyperv-types/vmbus'
import { gpadlMessages } from '../control/gpadl-messages.ts'
import type { ChannelBus } from './channel-bus.ts'

interface Shared {
  readonly gpadl: Gpadl
  /** The host answered GPADL_CREATED; until then it may or may not have the pages. */
  created: boolean
  teardown: Promise<void> | undefined
}

/**
 * The GPADLs of one channel. From the first message on the pages count as shared, and only the host's answer to a
 * teardown, its refusal, or the end of the whole connection makes them private again.
 */
export class GpadlSet {
  readonly #bus: ChannelBus
  readonly #channelId: () => number
  readonly #shared = new Map<number, Shared>()

  constructor(bus: ChannelBus, channelId: () => number) {
    this.#bus = bus
    this.#channelId = channelId
  }

  get size(): number {
    return this.#shared.size
  }

  /**
   * Describes pages to the host. When it fails the caller may free the pages: the allocator holds them while the host
   * may still have them.
   * @throws ChannelError `refused`, `rescinded`, `timeout`, `aborted`, `invalid-argument`.
   */
  async establish(run: PageRun, signal?: AbortSignal): Promise<Gpadl> {
    if (signal?.aborted === true) throw new ChannelError('aborted', 'gave up sharing pages', { cause: signal.reason })
    const bus = this.#bus
    const channelId = this.#channelId()
    const handle = bus.takeGpadlHandle()
    const messages = gpadlMessages(channelId, handle, run, bus.version)
    const shared: Shared = { gpadl: { handle, run }, created: false, teardown: undefined }
    this.#shared.set(handle, shared)
    bus.pages.share(run)
    const what = `GPADL_CREATED for GPADL 0x${handle.toString(16)}`
    const reply = bus.replies.wait({
      kind: 'gpadl-created',
      id: handle,
      channelId,
      what,
      signal,
      timeoutMs: bus.timing.replyMs,
    })
    // All of them or none: half a GPADL would stay with the host.
    for (const message of messages) {
      bus.post(message).catch((error: Error) => bus.replies.fail('gpadl-created', handle, error))
    }
    let status: number
    try {
      status = await reply
    } catch (error) {
      // The host may have it all the same, or get it later.
      void this.#teardown(shared).catch(() => {})
      throw error
    }
    if (status !== 0) {
      this.#forget(shared)
      const hex = `0x${status.toString(16)}`
      throw new ChannelError(
        'refused',
        `the host refused GPADL 0x${handle.toString(16)} of ${run.pageCount} pages (status ${hex})`,
      )
    }
    shared.created = true
    return shared.gpadl
  }

  /**
   * Takes the pages back. Done already is done.
   * @throws ChannelError `timeout`, or why the connection ended, when the host may still have the pages.
   */
  teardown(gpadl: Gpadl): Promise<void> {
    const shared = this.#shared.get(gpadl.handle)
    return shared === undefined ? Promise.resolve() : this.#teardown(shared)
  }

  /** Takes back everything. @returns how many the host did not let go of within the time. */
  async teardownAll(timeoutMs: number): Promise<number> {
    const all = Promise.allSettled([...this.#shared.values()].map((shared) => this.#teardown(shared, timeoutMs)))
    const wait = new AbortController()
    await Promise.race([all, sleep(this.#bus.clock, timeoutMs, wait.signal).catch(() => {})])
    wait.abort()
    return this.#shared.size
  }

  /** The host has dropped the connection and every GPADL with it. */
  dropped(): void {
    for (const shared of [...this.#shared.values()]) this.#forget(shared)
  }

  #teardown(shared: Shared, timeoutMs = this.#bus.timing.replyMs): Promise<void> {
    shared.teardown ??= this.#askTeardown(shared, timeoutMs).catch((error: unknown) => {
      shared.teardown = undefined
      throw error
    })
    return shared.teardown
  }

  async #askTeardown(shared: Shared, timeoutMs: number): Promise<void> {
    const bus = this.#bus
    const channelId = this.#channelId()
    const { handle } = shared.gpadl
    const what = `GPADL_TORNDOWN for GPADL 0x${handle.toString(16)}`
    const reply = bus.replies.wait({ kind: 'gpadl-torndown', id: handle, channelId, what, timeoutMs })
    const message = encodeControlMessage('GPADL_TEARDOWN', { child_relid: channelId, gpadl: handle }, bus.version)
    bus.post(message).catch((error: Error) => bus.replies.fail('gpadl-torndown', handle, error))
    await reply
    this.#forget(shared)
  }

  #forget(shared: Shared): void {
    if (this.#shared.delete(shared.gpadl.handle)) this.#bus.pages.unshare(shared.gpadl.run)
  }
}
