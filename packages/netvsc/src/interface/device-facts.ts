import type { EthernetCapabilities } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { ETHERNET_HEADER_BYTES } from '@bis/hyperv-types/ethernet'
import { NvspVersion, Oid } from '@bis/hyperv-types/network'
import { readWord } from '../rndis/word.ts'
import type { NetvscSession } from '../session/session.ts'
import { MOST_FRAME_BYTES } from '../transmit/large-buffers.ts'

const MTU_DEFAULT = 1500
/** HN_MTU_MAX of FreeBSD. The host may take less. */
export const MTU_MAX = 65_529

/** What the host tells of the NIC. */
export interface DeviceFacts {
  readonly address: Uint8Array
  readonly mtuMax: number
  readonly linkUp: boolean
  /** Bit/s. */
  readonly speed: number
}

/** @throws DeviceError `not-supported` for an MTU that the host does not take, `protocol`, `timeout` */
export async function queryFacts({ rndis, version }: NetvscSession, mtu: number): Promise<DeviceFacts> {
  const permanent = await rndis.query(Oid.ETHERNET_PERMANENT_ADDRESS)
  if (permanent.length < 6) throw new DeviceError('protocol', `an Ethernet address of ${permanent.length} bytes`)
  const current = await rndis.query(Oid.ETHERNET_CURRENT_ADDRESS)
  const most = readWord(await rndis.query(Oid.GEN_MAXIMUM_FRAME_SIZE), mtu)
  if (most < mtu) throw new DeviceError('not-supported', `the host takes an MTU of ${most}, not ${mtu}`)
  const disconnected = readWord(await rndis.query(Oid.GEN_MEDIA_CONNECT_STATUS), 0) !== 0
  const speed = readWord(await rndis.query(Oid.GEN_LINK_SPEED), 0) * 100
  const address = (current.length >= 6 ? current : permanent).slice(0, 6)
  return { address, mtuMax: version >= NvspVersion.V2 ? MTU_MAX : MTU_DEFAULT, linkUp: !disconnected, speed }
}

/** What the session can do for frames. @param tsoMaxBytes longest large send, the Ethernet header not included */
export function capabilitiesOf(session: NetvscSession, tsoMaxBytes: number): EthernetCapabilities {
  const { offloads, queues, version } = session
  const limit = Math.min(tsoMaxBytes, MOST_FRAME_BYTES - ETHERNET_HEADER_BYTES)
  return {
    checksum4: offloads.checksum4,
    checksum6: offloads.checksum6,
    segment4: Math.min(offloads.lso4, limit),
    segment6: Math.min(offloads.lso6, limit),
    vlan: version >= NvspVersion.V2,
    queues: queues.length,
  }
}
