import type { HostChannel, HostChannelHandlers, Logger, VspDevice } from '@bis/hyperv-types'
import type { ChannelRecord } from '../control/channel-record.ts'

interface Slot {
  readonly device: VspDevice
  readonly record: ChannelRecord
  readonly gone: Promise<void>
  readonly resolveGone: () => void
}

/** The devices on a bus by their primary channels, and every call to one: whatever a device throws ends here. */
export class DeviceSlots {
  readonly #guest: string
  readonly #log: Logger
  readonly #slots = new Map<number, Slot>()

  constructor(guest: string, log: Logger) {
    this.#guest = guest
    this.#log = log
  }

  /** @returns resolves when the device has been taken away and the guest has let go of it */
  add(device: VspDevice, record: ChannelRecord): Promise<void> {
    let resolveGone = () => {}
    const gone = new Promise<void>((resolve) => {
      resolveGone = resolve
    })
    this.#slots.set(record.key, { device, record, gone, resolveGone })
    return gone
  }

  /** The primary channel of a device that is there. */
  find(interfaceId: string, instanceId: string): ChannelRecord | undefined {
    for (const { record } of this.#slots.values()) {
      const { spec } = record.group
      if (!record.withdrawn && spec.interfaceId === interfaceId && spec.instanceId === instanceId) return record
    }
    return undefined
  }

  /** Hands a channel to its device. @returns undefined when there is none, it refuses, or it fails */
  open(record: ChannelRecord, channel: HostChannel): HostChannelHandlers | undefined {
    try {
      return this.#of(record)?.device.openChannel(channel)
    } catch (error) {
      this.failed(record, 'open', error)
      return undefined
    }
  }

  /** Asks the device to let go of guest memory, and waits until it has. */
  async releaseGpadl(record: ChannelRecord, handle: number): Promise<void> {
    try {
      await this.#of(record)?.device.gpadlTeardown?.(handle)
    } catch (error) {
      this.failed(record, 'let go of a GPADL', error)
    }
  }

  /** Tells all devices that their guest has gone; firmware that holds a reserved channel has not. */
  resetAll(): void {
    for (const slot of this.#slots.values()) if (!slot.record.reserved) this.#reset(slot)
  }

  /** A device has been taken away and nothing of it is left. */
  remove(record: ChannelRecord): void {
    const slot = this.#slots.get(record.key)
    if (slot === undefined) return
    this.#slots.delete(record.key)
    this.#reset(slot)
    slot.resolveGone()
  }

  failed(record: ChannelRecord, what: string, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error)
    this.#log.log('error', `${this.nameOf(record)}: the device failed to ${what}: ${text}`, `device ${record.key}`)
  }

  /** A channel's name in log lines. */
  nameOf({ group, subIndex }: ChannelRecord): string {
    return `${this.#guest}: ${group.spec.instanceId}${subIndex === 0 ? '' : `.${subIndex}`}`
  }

  #of(record: ChannelRecord): Slot | undefined {
    const primary = record.group.channels.find((channel) => channel.isPrimary)
    return primary === undefined ? undefined : this.#slots.get(primary.key)
  }

  #reset({ device, record }: Slot): void {
    try {
      device.reset?.()
    } catch (error) {
      this.failed(record, 'reset', error)
    }
  }
}
