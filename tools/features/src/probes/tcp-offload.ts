import { hostRelease } from '@bis/host'
import type { FrameOffload } from '@bis/hyperv-types'
import { TransmitChecksum, TransmitStatus } from '@bis/hyperv-types'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import type { LanGuest, Wire } from '../guest.ts'
import { collect, Lan, same } from '../guest.ts'
import type { Shape } from '../tcp.ts'
import { decode, transportFrame } from '../tcp.ts'

const SEGMENT = 1400
const LARGE = 20_000
const PIECES = Math.ceil(LARGE / SEGMENT)
/** NVSP 6.1, with which hosts pass on joined segments. */
const FIRST_COALESCING = 0x6_0001

/**
 * Checksums filled in and large sends cut on their way out of the host, joined again for a guest that wants it; looked at
 * with a decoder of our own.
 */
export const tcpOffload: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const a = await lan.guest()
  const cut = await lan.guest({}, {}, { coalesce: false })
  const joined = await lan.guest({}, {}, { coalesce: true })
  const wire = lan.wire()
  const coalesces = Math.max(...hostRelease(cell.host).nvspVersions) >= FIRST_COALESCING
  const done: string[] = []
  for (const version of [4, 6] as const) {
    await checksum(a, wire, { version, payload: 333 })
    const known = version === 4 ? a.net.capabilities.checksum4 : a.net.capabilities.checksum6
    const udp = (known & TransmitChecksum.udp) !== 0
    if (udp) await checksum(a, wire, { version, payload: 333, protocol: 'udp' })
    await segments(a, wire, version)
    const [apart, together] = [await received(a, cut, version), await received(a, joined, version)]
    want(apart === PIECES, `IPv${version}: a guest that wants no joined segments got ${apart} frames`)
    want(coalesces ? together === 1 : together === PIECES, `IPv${version}: joined into ${together} frames`)
    done.push(
      `IPv${version}: TCP${udp ? ' and UDP' : ''} checksums right, ${LARGE} bytes in ${PIECES} segments, ${coalesces ? 'joined into one frame' : 'not joined, which this host does not do'}`,
    )
  }
  return {
    did: `sent frames without checksums and ${LARGE} bytes at once out of the host and to other guests`,
    saw: `by a decoder of its own: ${done.join('; ')}`,
  }
}

const headerBytes = ({ version, protocol }: Shape): number => (version === 4 ? 34 : 54) + (protocol === 'udp' ? 8 : 20)

function asking(shape: Shape, segmentSize = 0): FrameOffload {
  const header = shape.version === 4 ? TransmitChecksum.ipv4Header : 0
  const transportOffset = shape.version === 4 ? 34 : 54
  const checksum = TransmitChecksum[shape.protocol ?? 'tcp'] | header
  return { checksum, segmentSize, transportOffset, vlan: -1, hash: 0 }
}

/** The same frame twice: as the guest left it, and with its checksums asked for. */
async function checksum({ net }: LanGuest, { frames, address }: Wire, shape: Shape): Promise<void> {
  const what = `IPv${shape.version} ${shape.protocol ?? 'tcp'}`
  const frame = transportFrame(address, net.settings.address, shape)
  const before = frames.length
  want(net.transmit(frame, 0, frame.length) === TransmitStatus.sent, `${what}: the frame was refused`)
  want(net.transmit(frame, 0, frame.length, asking(shape)) === TransmitStatus.sent, `${what}: the checksum was refused`)
  await until(() => frames.length === before + 2, `${what}: two frames outside`)
  const [left, asked] = frames.slice(before).map(({ bytes }) => decode(bytes))
  want(left?.good === false, `${what}: the decoder takes a checksum for right that nobody filled in`)
  want(asked?.good === true, `${what}: the checksum outside is wrong`)
  want(same(asked.payload, frame.subarray(headerBytes(shape))), `${what}: the payload has changed`)
}

async function segments({ net }: LanGuest, { frames, address }: Wire, version: 4 | 6): Promise<void> {
  const before = frames.length
  const shape = { version, payload: LARGE, large: true }
  const frame = transportFrame(address, net.settings.address, shape)
  const status = net.transmit(frame, 0, frame.length, asking(shape, SEGMENT))
  want(status === TransmitStatus.sent, `IPv${version}: a large send was refused`)
  await until(() => frames.length >= before + PIECES, `IPv${version}: ${PIECES} segments outside`)
  const all = frames.slice(before).map(({ bytes }) => decode(bytes))
  const bad = all.filter(({ good }) => !good).length
  want(bad === 0, `IPv${version}: ${bad} of ${all.length} segments have a wrong checksum or length`)
  for (const [i, { payload, position, pushed }] of all.entries()) {
    const start = i * SEGMENT
    const last = i === PIECES - 1
    want(position === start && pushed === last, `IPv${version}: segment ${i} is at ${position}, PSH ${pushed}`)
    const from = headerBytes(shape) + start
    want(same(payload, frame.subarray(from, from + SEGMENT)), `IPv${version}: segment ${i} has other bytes`)
  }
  want(all.length === PIECES, `IPv${version}: ${all.length} segments`)
}

/** Sends much at once to another guest. @returns how many frames it came in, with all bytes as they were */
async function received({ net }: LanGuest, to: LanGuest, version: 4 | 6): Promise<number> {
  const shape = { version, payload: LARGE, large: true }
  const frame = transportFrame(to.net.settings.address, net.settings.address, shape)
  const got = collect(to.net)
  net.transmit(frame, 0, frame.length, asking(shape, SEGMENT))
  const back = new Uint8Array(LARGE)
  await until(
    () => got.reduce((bytes, item) => bytes + decode(item.bytes).payload.length, 0) >= LARGE,
    `IPv${version}: ${LARGE} bytes at the other guest`,
  )
  for (const { bytes } of got) {
    const { payload, position } = decode(bytes)
    back.set(payload, position)
  }
  want(same(back, frame.subarray(headerBytes(shape))), `IPv${version}: the other guest has other bytes`)
  const told = got.length === 1 ? (got[0]?.segments ?? 0) > 1 : got.every((item) => item.segments === 1)
  want(told, `IPv${version}: the other guest is told of ${got.map((item) => item.segments).join()} segments`)
  return got.length
}
