import type { ChannelRecord } from '../control/channel-record.ts'
import type { OpenRequest } from '../control/types.ts'
import type { DeviceState } from '../saved/capture.ts'
import type { DeviceSlots } from './device-slots.ts'
import type { OpenChannels } from './open-channels.ts'

/** Opens, closes and saves channels together with their devices; what fails on the way is logged as the device's. */
export class DeviceChannels {
  readonly #slots: DeviceSlots
  readonly #open: OpenChannels
  /** What devices get when their channels are restored, by channel. */
  readonly #restored = new Map<number, unknown>()

  constructor(slots: DeviceSlots, open: OpenChannels) {
    this.#slots = slots
    this.#open = open
  }

  /** @returns whether the device has taken the channel */
  open(record: ChannelRecord, request: OpenRequest): boolean {
    try {
      const restored = this.#restored.get(record.key)
      return this.#open.open(record, request, restored, (channel) => this.#slots.open(record, channel))
    } catch (error) {
      this.#slots.failed(record, 'open', error)
      return false
    }
  }

  /** Resolves when the device has let go of the channel, well or not. */
  async close(record: ChannelRecord): Promise<void> {
    try {
      await this.#open.close(record)
    } catch (error) {
      this.#slots.failed(record, 'close', error)
    }
  }

  /** As {@link close}. @returns the device's state; undefined when it cannot be saved */
  async save(record: ChannelRecord): Promise<DeviceState | undefined> {
    try {
      return await this.#open.save(record)
    } catch (error) {
      this.#slots.failed(record, 'save', error)
      return undefined
    }
  }

  /** The device gets this state when the channel is opened next. */
  expect(record: ChannelRecord, state: unknown): void {
    this.#restored.set(record.key, state)
  }

  /** Restoring is over. */
  expectNothing(): void {
    this.#restored.clear()
  }
}
