import type { Packet } from '../interfaces/packet.ts'

/** Whether a ring with this many data bytes can have such an index. */
export function isIndex(index: number, dataBytes: number): boolean {
  return index < dataBytes && index % 8 === 0
}

export function badIndex(which: string, index: number, dataBytes: number): string {
  return `${which} index ${index} of a ring of ${dataBytes} data bytes: it must be a multiple of 8 below that`
}

export function tooFewBytes(readable: number, at: number, dataBytes: number): string {
  return `${readable} readable bytes at ${at} of a ring of ${dataBytes} data bytes: the shortest packet takes 24`
}

/** @param packet of which the descriptor has been copied */
export function badLengths(packet: Packet, readable: number, at: number, dataBytes: number): string {
  return `packet of ${packet.length} bytes, ${packet.dataOffset} of them header, at ${at} of a ring of ${dataBytes} data bytes where ${readable} are readable`
}
