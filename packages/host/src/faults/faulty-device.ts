import type { Clock, HostChannel, HostChannelHandlers, SeededRandom, VspDevice, VspPort } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import type { FaultPlan } from './fault-plan.ts'

const DEFAULT_DELAY_MS = 50

/** What a faulty device needs of the bus that it is on. */
export interface FaultyDeviceHost {
  readonly clock: Clock
  /** Puts a device on the bus again. */
  offerAgain(device: VspDevice): void
}

/** A device that refuses, stalls, takes its time, and is torn out in the middle of its work. */
export class FaultyDevice implements VspDevice {
  readonly offer: VspDevice['offer']
  readonly #device: VspDevice
  readonly #plan: FaultPlan
  readonly #random: SeededRandom
  readonly #host: FaultyDeviceHost
  #port: VspPort | undefined = undefined
  #taken = false

  constructor(device: VspDevice, plan: FaultPlan, random: SeededRandom, host: FaultyDeviceHost) {
    this.offer = device.offer
    this.#device = device
    this.#plan = plan
    this.#random = random
    this.#host = host
  }

  onOffered(port: VspPort): void {
    this.#port = port
    this.#device.onOffered?.(port)
  }

  openChannel(channel: HostChannel): HostChannelHandlers | undefined {
    if (this.#random.happens(this.#plan.devices?.refused)) return undefined
    // The handlers come later than the first send may: until then there is nobody to be told of room.
    let handlers: HostChannelHandlers | undefined
    const faulty = this.#sometimesFull(channel, () => handlers?.onWritable?.())
    const inner = this.#device.openChannel(faulty)
    handlers = inner
    if (inner === undefined) return undefined
    const { maxPacketBytes, budget } = inner
    return {
      ...(maxPacketBytes === undefined ? {} : { maxPacketBytes }),
      ...(budget === undefined ? {} : { budget }),
      onPacket: (packet) => {
        inner.onPacket(packet)
        this.#afterPacket(channel)
      },
      onBatchEnd: () => inner.onBatchEnd?.(),
      onWritable: () => inner.onWritable?.(),
      onFailure: (error) => inner.onFailure?.(error),
      onClose: async () => {
        if (this.#random.happens(this.#plan.devices?.slowToClose)) await this.#pause()
        await inner.onClose()
      },
    }
  }

  gpadlTeardown(handle: number): Promise<void> | void {
    return this.#device.gpadlTeardown?.(handle)
  }

  reset(): void {
    this.#device.reset?.()
  }

  #afterPacket(channel: HostChannel): void {
    const faults = this.#plan.devices ?? {}
    if (this.#random.happens(faults.stalled)) {
      channel.pause()
      this.#host.clock.after(this.#delay(), () => channel.resume())
    }
    if (!this.#taken && this.#random.happens(faults.rescinded)) {
      this.#taken = true
      void this.#port?.revoke()
      if (faults.returnAfterMs !== undefined) {
        this.#host.clock.after(faults.returnAfterMs, () => this.#host.offerAgain(this.#device))
      }
    }
  }

  #sometimesFull(channel: HostChannel, roomAgain: () => void): HostChannel {
    const chance = this.#plan.devices?.full
    if (chance === undefined) return channel
    const send: HostChannel['send'] = (...packet) => {
      if (!this.#random.happens(chance)) return channel.send(...packet)
      this.#host.clock.after(this.#delay(), roomAgain)
      return SendStatus.full
    }
    return new Proxy(channel, {
      get: (target, key) => {
        if (key === 'send') return send
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#host.clock.after(this.#delay(), resolve))
  }

  #delay(): number {
    return this.#random.below((this.#plan.delayMs ?? DEFAULT_DELAY_MS) + 1)
  }
}
