import { TransmitChecksum } from '@bis/hyperv-types'
import { finishIpv4Header, finishTransport, IpProtocol, Segmenter } from '@bis/hyperv-types/ethernet'
import { SwitchFrame, TCP_OR_UDP } from './switch-frame.ts'

const ETHERNET = 14

/** Fills in what the sender left open, in the frame's own bytes. The VSP has checked that the headers are there. */
export function finishChecksums(frame: SwitchFrame): void {
  const { bytes, offset, transportAt, checksum } = frame
  const ipAt = offset + ETHERNET
  if ((checksum & TransmitChecksum.ipv4Header) !== 0) finishIpv4Header(bytes, ipAt)
  if ((checksum & TCP_OR_UDP) !== 0) {
    const protocol = (checksum & TransmitChecksum.udp) !== 0 ? IpProtocol.UDP : IpProtocol.TCP
    finishTransport(bytes, ipAt, transportAt, packetEnd(frame) - transportAt, protocol)
  }
  frame.finished |= checksum
  frame.checksum = 0
}

/** Where the IP packet ends: short frames are padded behind it. */
function packetEnd({ bytes, offset, length }: SwitchFrame): number {
  const ipAt = offset + ETHERNET
  const end = offset + length
  const ipv4 = (bytes[ipAt] ?? 0) >> 4 === 4
  const at = ipv4 ? ipAt + 2 : ipAt + 4
  const told = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  const packet = ipAt + (ipv4 ? told : told + 40)
  return told === 0 || packet > end ? end : packet
}

/** Where finished frames go: one call for each, in order. */
export type FrameSink = (frame: SwitchFrame) => void

/** Does in software what a port cannot: checksums, and cutting large sends into frames. */
export class Finisher {
  readonly #segmenter = new Segmenter()
  readonly #segment = new SwitchFrame()

  constructor() {
    this.#segment.bytes = this.#segmenter.bytes
  }

  /**
   * Hands on the frame as frames with nothing left to do; `checksums` false leaves TCP checksums of segments to whoever
   * takes them.
   */
  finish(frame: SwitchFrame, sink: FrameSink, checksums = true): void {
    if (frame.segmentSize === 0) {
      if (checksums && frame.checksum !== 0) finishChecksums(frame)
      sink(frame)
      return
    }
    const segmenter = this.#segmenter
    const segment = this.#segment
    segmenter.checksums = checksums
    if (!segmenter.start(frame.bytes, frame.offset, frame.length, frame.transportAt, frame.segmentSize)) return
    segment.clear()
    segment.vlan = frame.vlan
    segment.priority = frame.priority
    while (segmenter.next()) {
      segment.length = segmenter.length
      segment.checksum = checksums ? 0 : TransmitChecksum.tcp
      segment.finished = TransmitChecksum.ipv4Header | (checksums ? TransmitChecksum.tcp : 0)
      segment.transportAt = frame.transportAt - frame.offset
      sink(segment)
    }
  }
}
