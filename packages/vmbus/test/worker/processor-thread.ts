/** A virtual processor in a thread of its own: answers each packet of the channels it is given with the next one. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ChannelDescriptor, ProcessorLink, ServedChannel } from '../../src/worker/index.ts'
import { VirtualProcessor } from '../../src/worker/index.ts'

export type Order =
  | {
      readonly serve: ChannelDescriptor
      readonly packets: number
      /** Packets that wait for their answers at a time; default 8. */
      readonly window?: number
      /** Gets the number of packets received when all are. */
      readonly done?: SharedArrayBuffer
    }
  | { readonly release: number }
  | { readonly stop: true }
  | { readonly fail: true }

const processor = new VirtualProcessor(workerData as ProcessorLink)
const served = new Map<number, ServedChannel>()
const data = new Uint8Array(64)

function serve({ serve: descriptor, packets, window = 8, done }: Extract<Order, { serve: unknown }>): void {
  const { channelId } = descriptor.offer
  let sent = 0
  let received = 0
  const pump = (): void => {
    // The whole window at first, then one for each answer.
    while (sent < packets && sent - received < window) {
      data[0] = sent & 0xff
      if (channel.send(6, 1, sent + 1, 0, undefined, 0, data, 0, data.length) !== 0) return
      sent++
    }
  }
  const channel = processor.serve(descriptor, {
    onPacket(packet) {
      if (packet.transactionIdLow !== received + 1 || packet.bytes[packet.dataOffset] !== (received & 0xff)) {
        parentPort?.postMessage({ channelId, wrong: packet.transactionIdLow })
      }
      received++
      pump()
      if (received === packets) {
        parentPort?.postMessage({ channelId, received, ...count(channel) })
        if (done !== undefined) wake(done, received)
      }
    },
    onWritable: pump,
    onFailure: (error) => parentPort?.postMessage({ channelId, failed: error.message }),
    onStopped: () => parentPort?.postMessage({ channelId, stopped: received }),
  })
  served.set(channelId, channel)
  pump()
}

function wake(buffer: SharedArrayBuffer, value: number): void {
  const words = new Int32Array(buffer)
  Atomics.store(words, 0, value)
  Atomics.notify(words, 0)
}

function count({ statistics }: ServedChannel): object {
  const { packetsSent, packetsReceived, interrupts, signalsSent } = statistics
  return { packetsSent, packetsReceived, interrupts, signalsSent }
}

parentPort?.on('message', (order: Order) => {
  if ('serve' in order) {
    try {
      serve(order)
      parentPort?.postMessage({ serving: order.serve.offer.channelId })
    } catch (error) {
      parentPort?.postMessage({ refused: (error as { code: string }).code })
    }
  } else if ('release' in order) served.get(order.release)?.release()
  else if ('stop' in order) processor.stop()
  else throw new Error('the thread fell over')
})
