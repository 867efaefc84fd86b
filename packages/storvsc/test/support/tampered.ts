import type { HostChannel, SendStatus, VspDevice } from '@bis/hyperv-types'

type Send = HostChannel['send']

/**
 * What stands between a device and the guest: called for every packet that the device sends, with a copy of its bytes;
 * `send` sends that packet, or others.
 */
export type Tamper = (packet: TamperedPacket, send: (packet: TamperedPacket) => SendStatus) => SendStatus

export interface TamperedPacket {
  type: number
  low: number
  high: number
  data: Uint8Array
  subIndex: number
}

/** A device whose answers go through `tamper`. `swallow` keeps packets of the guest from the device. */
export function tampered(device: VspDevice, tamper: Tamper, swallow?: (data: Uint8Array) => boolean): VspDevice {
  const wrapper: VspDevice = {
    offer: device.offer,
    onOffered: (port) => device.onOffered?.(port),
    reset: () => device.reset?.(),
    openChannel(channel) {
      const transmit = ({ type, low, high, data }: TamperedPacket): SendStatus =>
        channel.send(type, 0, low, high, undefined, 0, data, 0, data.length)
      const send: Send = (type, _flags, low, high, _header, _headerLength, data, offset, length) =>
        tamper({ type, low, high, data: data.slice(offset, offset + length), subIndex: channel.subIndex }, transmit)
      const handlers = device.openChannel(
        new Proxy(channel, {
          get(target, key) {
            if (key === 'send') return send
            const value: unknown = Reflect.get(target, key, target)
            return typeof value === 'function' ? value.bind(target) : value
          },
        }),
      )
      if (handlers === undefined || swallow === undefined) return handlers
      return {
        ...handlers,
        onPacket(packet) {
          const { bytes, dataOffset, dataLength } = packet
          if (!swallow(bytes.subarray(dataOffset, dataOffset + dataLength))) handlers.onPacket(packet)
        },
      }
    },
  }
  return wrapper
}

/** A small generator that repeats itself from its seed. */
export function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
