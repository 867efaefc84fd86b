import { HostError } from '../errors.ts'

const SECTION_HEADER = 0x0a0d_0d0a
const INTERFACE_DESCRIPTION = 1
const SIMPLE_PACKET = 3
const ENHANCED_PACKET = 6
const BYTE_ORDER_MAGIC = 0x1a2b_3c4d
const PCAP_MICROSECONDS = 0xa1b2_c3d4
const PCAP_NANOSECONDS = 0xa1b2_3c4d
const LINKTYPE_ETHERNET = 1
const OPTION_TIME_RESOLUTION = 9
const OPTION_FLAGS = 2
const LONGEST_BLOCK = 2 ** 24
const PCAP_HEADER_BYTES = 24
const PCAP_RECORD_BYTES = 16
const DIRECTION = 3

/** A frame of a capture file. */
export interface CapturedFrame {
  readonly bytes: Uint8Array
  /** When it was captured, in milliseconds since 1970; 0 where the file does not tell. */
  readonly time: number
  /** As the file tells; `in` is received by the interface that captured. */
  readonly direction: 'in' | 'out' | 'unknown'
}

interface CaptureInterface {
  readonly ethernet: boolean
  /** Of its times, in a second. */
  readonly ticks: number
}

/**
 * The Ethernet frames of a capture file that comes in pieces: pcapng (draft-ietf-opsawg-pcapng) or the pcap of tcpdump,
 * either byte order. What other interfaces captured, and a record that the file ends in, are left out.
 * @throws HostError `bad-capture`
 */
export async function* readCapture(source: AsyncIterable<Uint8Array>): AsyncGenerator<CapturedFrame, void, void> {
  const input = new CaptureInput(source)
  const head = await input.peek(4)
  if (head === undefined) throw new HostError('bad-capture', 'the capture is empty')
  const magic = head.getUint32(0, true)
  yield* magic === SECTION_HEADER ? readPcapng(input) : readPcap(input)
}

async function* readPcapng(input: CaptureInput): AsyncGenerator<CapturedFrame, void, void> {
  let little = true
  let interfaces: CaptureInterface[] = []
  for (;;) {
    const head = await input.peek(12)
    if (head === undefined) return
    const section = head.getUint32(0, true) === SECTION_HEADER
    if (section) little = head.getUint32(8, true) === BYTE_ORDER_MAGIC
    if (section && !little && head.getUint32(8) !== BYTE_ORDER_MAGIC)
      throw new HostError('bad-capture', 'a pcapng section without byte-order magic')
    if (section) interfaces = []
    const length = head.getUint32(4, little)
    if (length < 12 || length % 4 !== 0 || length > LONGEST_BLOCK)
      throw new HostError('bad-capture', `a pcapng block of ${length} bytes`)
    const block = await input.take(length)
    if (block === undefined) return
    const type = block.getUint32(0, little)
    if (type === INTERFACE_DESCRIPTION && length >= 20) interfaces.push(readInterface(block, little))
    const frame = readPacket(block, type, little, interfaces)
    if (frame !== undefined) yield frame
  }
}

function readInterface(block: DataView, little: boolean): CaptureInterface {
  const resolution = option(block, 16, little, OPTION_TIME_RESOLUTION)?.getUint8(0) ?? 6
  const ticks = resolution < 128 ? 10 ** resolution : 2 ** (resolution & 127)
  return { ethernet: block.getUint16(8, little) === LINKTYPE_ETHERNET, ticks }
}

function readPacket(
  block: DataView,
  type: number,
  little: boolean,
  interfaces: readonly CaptureInterface[],
): CapturedFrame | undefined {
  const length = block.byteLength
  if (type === SIMPLE_PACKET && length >= 16 && interfaces[0]?.ethernet === true) {
    const captured = Math.min(block.getUint32(8, little), length - 16)
    return { bytes: bytesAt(block, 12, captured), time: 0, direction: 'unknown' }
  }
  if (type !== ENHANCED_PACKET || length < 32) return undefined
  const origin = interfaces[block.getUint32(8, little)]
  if (origin?.ethernet !== true) return undefined
  const captured = block.getUint32(20, little)
  if (captured > length - 32) throw new HostError('bad-capture', `a frame of ${captured} bytes in a smaller block`)
  const time = ((block.getUint32(12, little) * 2 ** 32 + block.getUint32(16, little)) / origin.ticks) * 1000
  const flags = option(block, 28 + Math.ceil(captured / 4) * 4, little, OPTION_FLAGS)?.getUint32(0, little) ?? 0
  const direction = (['unknown', 'in', 'out', 'unknown'] as const)[flags & DIRECTION] ?? 'unknown'
  return { bytes: bytesAt(block, 28, captured), time, direction }
}

/** The value of an option of a block, its options beginning at `from`. */
function option(block: DataView, from: number, little: boolean, wanted: number): DataView | undefined {
  const end = block.byteLength - 4
  for (let at = from; at + 4 <= end; ) {
    const code = block.getUint16(at, little)
    const length = block.getUint16(at + 2, little)
    if (code === 0 || at + 4 + length > end) return undefined
    const least = wanted === OPTION_FLAGS ? 4 : 1
    if (code === wanted && length >= least) return new DataView(block.buffer, block.byteOffset + at + 4, length)
    at += 4 + Math.ceil(length / 4) * 4
  }
  return undefined
}

async function* readPcap(input: CaptureInput): AsyncGenerator<CapturedFrame, void, void> {
  const header = await input.take(PCAP_HEADER_BYTES)
  const little = header !== undefined && isPcap(header.getUint32(0, true))
  if (header === undefined || !(little || isPcap(header.getUint32(0)))) {
    throw new HostError('bad-capture', 'neither a pcapng nor a pcap file')
  }
  const link = header.getUint32(20, little) & 0xffff
  if (link !== LINKTYPE_ETHERNET) throw new HostError('bad-capture', `a capture of link type ${link}, not of Ethernet`)
  const ticks = header.getUint32(0, little) === PCAP_NANOSECONDS ? 1e9 : 1e6
  for (;;) {
    const record = await input.take(PCAP_RECORD_BYTES)
    if (record === undefined) return
    const captured = record.getUint32(8, little)
    if (captured > LONGEST_BLOCK) throw new HostError('bad-capture', `a frame of ${captured} bytes`)
    const data = await input.take(captured)
    if (data === undefined) return
    const time = (record.getUint32(0, little) + record.getUint32(4, little) / ticks) * 1000
    yield { bytes: bytesAt(data, 0, captured), time, direction: 'unknown' }
  }
}

function isPcap(magic: number): boolean {
  return magic === PCAP_MICROSECONDS || magic === PCAP_NANOSECONDS
}

function bytesAt(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length)
}

/** Pieces of a file, taken as the records want them. */
class CaptureInput {
  readonly #source: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** @returns a view of the next bytes, or undefined when the file ends before */
  async peek(length: number): Promise<DataView | undefined> {
    const parts = [this.#rest]
    let have = this.#rest.length
    while (have < length) {
      const { value, done } = await this.#source.next()
      if (done === true) break
      parts.push(value)
      have += value.length
    }
    if (parts.length > 1) this.#rest = joined(parts, have)
    if (have < length) return undefined
    return new DataView(this.#rest.buffer, this.#rest.byteOffset, length)
  }

  async take(length: number): Promise<DataView | undefined> {
    const view = await this.peek(length)
    if (view !== undefined) this.#rest = this.#rest.subarray(length)
    return view
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
