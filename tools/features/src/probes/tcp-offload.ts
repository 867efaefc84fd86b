import type { FrameOffload } from '@bis/hyperv-types'
import { TransmitChecksum, TransmitStatus } from '@bis/hyperv-types'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, Lan, macOf } from '../guest.ts'
import { decodeTcp, tcpFrame } from '../tcp.ts'

const SEGMENT = 1400
const LARGE = 20_000

/** Checksums filled in, large sends cut, segments joined again for who wants it; seen with a decoder of our own. */
export const tcpOffload: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const a = await lan.guest()
  const cut = await lan.guest({}, {}, { coalesce: false })
  const joined = await lan.guest({}, {}, { coalesce: true })
  const done: string[] = []
  for (const version of [4, 6] as const) {
    const header = version === 4 ? TransmitChecksum.ipv4Header : 0
    const transportOffset = version === 4 ? 34 : 54
    const ask = (segmentSize: number): FrameOffload => {
      return { checksum: TransmitChecksum.tcp | header, segmentSize, transportOffset, vlan: -1, hash: 0 }
    }
    const got = collect(cut.net)
    const small = tcpFrame(macOf(2), macOf(1), { version, payload: 333 })
    want(a.net.transmit(small, 0, small.length, ask(0)) === TransmitStatus.sent, 'a checksum was refused')
    await until(() => got.length === 1, 'the small frame')
    want(decodeTcp(got[0]?.bytes ?? small).good, `IPv${version}: the checksum is wrong`)
    done.push(`IPv${version} checksum`)
    if ((version === 4 ? a.net.capabilities.segment4 : a.net.capabilities.segment6) === 0) continue
    got.length = 0
    const large = tcpFrame(macOf(2), macOf(1), { version, payload: LARGE, large: true })
    want(a.net.transmit(large, 0, large.length, ask(SEGMENT)) === TransmitStatus.sent, 'a large send was refused')
    const pieces = Math.ceil(LARGE / SEGMENT)
    await until(() => got.length === pieces, 'the segments')
    const segments = got.map(({ bytes }) => decodeTcp(bytes))
    want(
      segments.every(({ good }) => good),
      `IPv${version}: a segment's checksum is wrong`,
    )
    want(
      segments.every(({ payload }, i) => payload === (i < pieces - 1 ? SEGMENT : LARGE - (pieces - 1) * SEGMENT)),
      `IPv${version}: segments of ${segments.map(({ payload }) => payload).join()}`,
    )
    done.push(`IPv${version} ${pieces} segments of ${SEGMENT}`)
    const whole = collect(joined.net)
    const again = tcpFrame(macOf(3), macOf(1), { version, payload: LARGE, large: true })
    a.net.transmit(again, 0, again.length, ask(SEGMENT))
    const bytes = (): number => whole.reduce((sum, { bytes: frame }) => sum + decodeTcp(frame).payload, 0)
    await until(() => bytes() === LARGE, 'the coalesced bytes')
    if (whole.length < pieces) done.push(`IPv${version} coalesced into ${whole.length}`)
  }
  return {
    did: 'sent TCP frames without checksums, and a 20000-byte send, over IPv4 and IPv6',
    saw: `at the receiver, by an independent decoder: ${done.join('; ')}`,
  }
}
