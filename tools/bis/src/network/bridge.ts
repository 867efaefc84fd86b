import { FrameStream } from '@bis/host/node'
import type { EthernetInterface, FrameOffload } from '@bis/hyperv-types'
import { TransmitStatus } from '@bis/hyperv-types'

/** A guest's interface exported at a stream socket: frames of either go out at the other. */
export interface Bridge extends AsyncDisposable {
  /** Frames lost: too long for the interface, or its peer was away or too far behind. */
  readonly dropped: number
  /** Somebody is at the socket. */
  readonly connected: boolean
}

/**
 * Listens at a UNIX-domain socket in QEMU's framing, and passes frames between its peer and the interface, which should be
 * promiscuous. When the interface has no room the socket is not read: nothing is lost, the peer's own queue fills.
 */
export async function bridge(network: EthernetInterface, path: string): Promise<Bridge> {
  let refused = 0
  const stream = await FrameStream.listen(path, {
    onFrame(bytes, offset, length) {
      const status = network.transmit(bytes, offset, length, PLAIN)
      if (status === TransmitStatus.full) return false
      if (status !== TransmitStatus.sent) refused++
      return true
    },
    onBatchBegin: () => network.beginBatch(),
    onBatchEnd: () => network.endBatch(),
  })
  const unwatch = network.onEvent(({ type }) => {
    if (type === 'writable') stream.resume()
  })
  network.receive((frames, count) => {
    stream.cork()
    for (let i = 0; i < count; i++) {
      const frame = frames[i]
      if (frame !== undefined) stream.send(frame.bytes, frame.offset, frame.length, Math.max(frame.vlan, 0))
    }
    stream.flush()
  })
  return {
    get dropped() {
      return refused + stream.dropped
    },
    get connected() {
      return stream.connected
    },
    async [Symbol.asyncDispose]() {
      network.receive(undefined)
      unwatch()
      await stream[Symbol.asyncDispose]()
    },
  }
}

/** Frames come finished from a socket; nothing is left to the adapter. */
const PLAIN: FrameOffload = { checksum: 0, segmentSize: 0, transportOffset: 0, vlan: -1, hash: 0 }
