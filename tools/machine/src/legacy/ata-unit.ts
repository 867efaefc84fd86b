import type { AtaUnit, PciFunction } from '@bis/hyperv-types'
import type { AtaPort } from './ata-port.ts'
import { AtaError } from './ata-port.ts'

/** A unit that IDENTIFY has found, with the channel to work on. */
export interface AttachedAtaUnit extends AtaUnit {
  readonly port: AtaPort
  readonly identity: DataView
  readonly revision: string
}

/** Finds what is at one place of a channel. */
export async function identify(
  port: AtaPort,
  place: { channel: number; target: number; controller: PciFunction },
): Promise<AttachedAtaUnit | undefined> {
  port.select(place.target)
  if ((port.status() & 0x40) === 0) return undefined
  const data = new Uint8Array(512)
  for (const [kind, command] of [
    ['disk', 0xec],
    ['optical', 0xa1],
  ] as const) {
    try {
      port.start({ device: 0xa0 | (place.target << 4), command })
      await port.interrupt()
      port.read(data)
      const identity = new DataView(data.buffer)
      return { ...place, kind, port, identity, model: text(data, 27, 20), revision: text(data, 23, 4) }
    } catch (error) {
      if (!(error instanceof AtaError)) throw error
    }
  }
  return undefined
}

/** Text of an IDENTIFY answer: the bytes of each word are swapped. */
function text(data: Uint8Array, word: number, words: number): string {
  let result = ''
  for (let at = word * 2; at < (word + words) * 2; at += 2)
    result += String.fromCharCode(data[at + 1] ?? 32, data[at] ?? 32)
  return result.trim()
}
