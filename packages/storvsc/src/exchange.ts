import type { Channel, Clock, Packet } from '@bis/hyperv-types'
import { DeviceError, SendStatus } from '@bis/hyperv-types'
import { PacketType } from '@bis/hyperv-types/ring'
import {
  describeNtStatus,
  VSTOR_PACKET_BYTES_SHORT,
  VSTOR_REQUEST_COMPLETION,
  VstorOperation,
  vstorPacket,
} from '@bis/hyperv-types/storage'

/** High word of the transaction ids of control packets; those of requests have 0. */
export const CONTROL_ID_HIGH = 1

/** A version, a count, or the unit that a reset is for. */
export type ControlArgument = number | { readonly path: number; readonly target: number; readonly lun: number }

/** The answer to a control packet: a copy of at least 48 bytes. */
export interface ControlAnswer {
  readonly status: number
  readonly view: DataView
}

const { operation, flags, status } = vstorPacket

/** Control packets of the primary channel and their answers. */
export class ControlExchange {
  /** Bytes of the packets sent: the shorter form until the version is known, as every host takes it. */
  packetBytes = VSTOR_PACKET_BYTES_SHORT
  readonly #channel: Channel
  readonly #clock: Clock
  readonly #timeoutMs: number
  #sequence = 0
  readonly #waiting = new Map<number, (answer: ControlAnswer) => void>()

  constructor(channel: Channel, clock: Clock, timeoutMs: number) {
    this.#channel = channel
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /**
   * Sends a packet and waits for its answer, whatever the status in it.
   * @throws DeviceError `timeout`, `removed`, `aborted`.
   */
  ask(what: string, code: number, signal: AbortSignal, argument: ControlArgument = 0): Promise<ControlAnswer> {
    const id = ++this.#sequence
    return new Promise((resolve, reject) => {
      const seconds = this.#timeoutMs / 1000
      const onAbort = (): void => end(new DeviceError('aborted', `${what}: given up`, { cause: signal.reason }))
      const timer = this.#clock.after(this.#timeoutMs, () =>
        end(new DeviceError('timeout', `the host did not answer ${what} within ${seconds} s`)),
      )
      const end = (error?: DeviceError, answer?: ControlAnswer): void => {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
        this.#waiting.delete(id)
        if (answer === undefined) reject(error)
        else resolve(answer)
      }
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort)
      this.#waiting.set(id, (answer) => end(undefined, answer))
      const sent = this.post(code, argument, id)
      if (sent !== SendStatus.sent) end(new DeviceError('removed', `${what} could not be sent: the channel is gone`))
    })
  }

  /** As {@link ask}, for steps that must succeed. @throws DeviceError `attach-failed` on any other status. */
  async step(what: string, code: number, signal: AbortSignal, argument: ControlArgument = 0): Promise<ControlAnswer> {
    const answer = await this.ask(what, code, signal, argument)
    if (answer.status === 0) return answer
    throw new DeviceError('attach-failed', `the host refuses ${what}: ${describeNtStatus(answer.status)}`)
  }

  /** Sends a control packet; with the default id its answer is of no interest. */
  post(code: number, argument: ControlArgument = 0, id = 0xffff_ffff): SendStatus {
    const packet = new Uint8Array(this.packetBytes)
    const view = new DataView(packet.buffer)
    operation.set(view, 0, code)
    flags.set(view, 0, VSTOR_REQUEST_COMPLETION)
    if (typeof argument === 'number') {
      vstorPacket.u.as.version.major_minor.set(view, 0, argument)
    } else {
      const { path_id, target_id, lun } = vstorPacket.u.as.vm_srb
      path_id.set(view, 0, argument.path)
      target_id.set(view, 0, argument.target)
      lun.set(view, 0, argument.lun)
    }
    return this.#channel.send(PacketType.dataInBand, 1, id, CONTROL_ID_HIGH, undefined, 0, packet, 0, packet.length)
  }

  /** A completion with a control id. @returns whether it was an answer that is waited for, or to what nobody waits for. */
  answer(packet: Packet): boolean {
    if (packet.transactionIdLow === 0xffff_ffff) return true
    const waiting = this.#waiting.get(packet.transactionIdLow)
    const { view, dataOffset, dataLength } = packet
    if (waiting === undefined) return false
    if (dataLength < VSTOR_PACKET_BYTES_SHORT) return false
    if (operation.get(view, dataOffset) !== VstorOperation.COMPLETE_IO) return false
    const copy = packet.bytes.slice(dataOffset, dataOffset + VSTOR_PACKET_BYTES_SHORT)
    waiting({ status: status.get(view, dataOffset), view: new DataView(copy.buffer) })
    return true
  }
}
