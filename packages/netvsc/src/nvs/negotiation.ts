import type { Logger } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { ETHERNET_HEADER_BYTES } from '@bis/hyperv-types/ethernet'
import { NDIS_6_1, NDIS_6_30, NVSP_VERSIONS, NvspMessageType, NvspStatus, NvspVersion } from '@bis/hyperv-types/network'
import type { NvsExchange } from './nvs-exchange.ts'
import { nvsAnswer, nvsRequest } from './nvs-messages.ts'

const Capability = { sriov: 0x04, ieee8021q: 0x08, teaming: 0x20, rsc: 0x80 } as const

/** What is asked for. */
export interface NvsWishes {
  /** Version; undefined for the newest that the host speaks. */
  readonly version: number | undefined
  readonly mtu: number
  /** Whether the host may join TCP segments. */
  readonly coalesce: boolean
}

/** What both sides speak from now on. */
export interface NvsAgreement {
  readonly version: number
  /** Major in the high half, minor in the low one. */
  readonly ndisVersion: number
}

/** Agrees on a version and tells the host what the guest is. @throws DeviceError `attach-failed`, `protocol`, `timeout` */
export async function negotiate(nvs: NvsExchange, wishes: NvsWishes, log: Logger): Promise<NvsAgreement> {
  const version = await agree(nvs, wishes.version === undefined ? NVSP_VERSIONS : [wishes.version])
  const ndisVersion = version >= NvspVersion.V5 ? NDIS_6_30 : NDIS_6_1
  const major = ndisVersion >>> 16
  const minor = ndisVersion & 0xffff
  log.log('debug', `NVS version 0x${version.toString(16)}, NDIS version ${major}.${minor}`)
  if (version >= NvspVersion.V2) {
    const capabilities = capabilitiesOf(version, wishes.coalesce)
    const frameBytes = wishes.mtu + ETHERNET_HEADER_BYTES
    await nvs.tell(nvsRequest(NvspMessageType.SEND_NDIS_CONFIG, frameBytes, 0, capabilities))
    log.log('debug', 'nvs ndis conf done')
  }
  await nvs.tell(nvsRequest(NvspMessageType.SEND_NDIS_VER, major, minor))
  return { version, ndisVersion }
}

async function agree(nvs: NvsExchange, candidates: readonly number[]): Promise<number> {
  for (const candidate of candidates) {
    const packet = await nvs.ask('INIT', nvsRequest(NvspMessageType.INIT, candidate, candidate))
    const body = nvsAnswer(packet, NvspMessageType.INIT_COMPLETE, 12)
    if (body.getUint32(8, true) === NvspStatus.SUCCESS) return candidate
  }
  throw new DeviceError('attach-failed', 'the host speaks no NVSP version of ours')
}

function capabilitiesOf(version: number, coalesce: boolean): number {
  let capabilities: number = Capability.ieee8021q
  // NVSP 4 has the messages of a virtual function, and its hosts offer one; the wish for one is told by this bit.
  if (version >= NvspVersion.V4) capabilities |= Capability.sriov
  if (version >= NvspVersion.V5) capabilities |= Capability.teaming
  if (version >= NvspVersion.V6_1 && coalesce) capabilities |= Capability.rsc
  return capabilities
}
