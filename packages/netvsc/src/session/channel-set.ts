import type { Channel } from '@bis/hyperv-types'
import { sleep } from '@bis/hyperv-types'
import { deviceGone, messageOf } from '../errors.ts'
import type { ReceivePath } from '../receive/receive-path.ts'
import type { TransmitQueue } from '../transmit/transmit-queue.ts'
import { adoptSubchannels } from './adoption.ts'
import type { ControlPath } from './control-path.ts'
import { NetChannel } from './net-channel.ts'
import type { SessionOwner } from './owner.ts'

/** How long frames may take to leave before the buffers go, in milliseconds. */
const DRAIN_MS = 1000

/** The channels of a session: the primary one, and sub-channels when the host gives some. */
export class ChannelSet {
  /** By channel; complete when the session has started. */
  queues: readonly TransmitQueue[] = []
  paths: readonly ReceivePath[] = []
  readonly #primary: Channel
  readonly #owner: SessionOwner
  #channels: NetChannel[] = []

  constructor(primary: Channel, owner: SessionOwner) {
    this.#primary = primary
    this.#owner = owner
  }

  get count(): number {
    return this.#channels.length
  }

  /** Messages that the host has not completed. */
  get outstanding(): number {
    return this.#channels.reduce((total, { queue }) => total + (queue?.outstanding ?? 0), 0)
  }

  /** @throws ChannelError */
  async openPrimary(control: ControlPath, signal: AbortSignal): Promise<NetChannel> {
    const net = new NetChannel(this.#primary, 0, this.#owner, control)
    await this.#open(net, signal)
    return net
  }

  /**
   * Opens the sub-channels as they are offered.
   * @param equip gives a channel its path and queue
   * @returns false when not all came, or one failed: then none is used
   * @throws DeviceError when the signal ends it
   */
  async adopt(count: number, equip: (net: NetChannel) => void, signal: AbortSignal): Promise<boolean> {
    const { clock, settings, log } = this.#owner
    const open = (channel: Channel, index: number): Promise<void> => {
      const net = new NetChannel(channel, index, this.#owner)
      equip(net)
      return this.#open(net, signal)
    }
    const primary = this.#primary
    try {
      const options = { primary, count, clock, timeoutMs: settings.requestTimeoutMs, signal, open }
      for (const channel of await adoptSubchannels(options)) {
        channel.gone.addEventListener('abort', () => this.#owner.failed(deviceGone()), { once: true })
      }
      return true
    } catch (error) {
      if (signal.aborted) throw error
      for (const net of this.#channels.splice(1)) net.release()
      log.log('warning', `going on with one queue: ${messageOf(error)}`)
      return false
    }
  }

  /** All channels are there: their queues are used from now on. */
  complete(): void {
    this.#channels.sort((a, b) => a.index - b.index)
    this.queues = this.#channels.flatMap(({ queue }) => queue ?? [])
    this.paths = this.#channels.flatMap(({ path }) => path ?? [])
  }

  /** Sends what was collected, and waits for what the host has. */
  async drain(): Promise<void> {
    const { clock, log } = this.#owner
    const end = clock.now() + DRAIN_MS
    for (const { queue } of this.#channels) queue?.flush()
    while (this.outstanding > 0 && clock.now() < end && !this.#primary.gone.aborted) await sleep(clock, 1)
    if (this.outstanding > 0) log.log('warning', `${this.outstanding} messages were never completed`)
  }

  /** Lets go of all memory; only when the host has nothing of it any more. */
  release(): void {
    for (const net of this.#channels.splice(0)) net.release()
    this.queues = []
    this.paths = []
  }

  #open(net: NetChannel, signal: AbortSignal): Promise<void> {
    this.#channels.push(net)
    const cpu = (this.#primary.cpu + net.index) % net.channel.processorCount
    return net.open(this.#owner.settings.ringPages, cpu, signal)
  }
}
