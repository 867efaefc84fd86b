import {
  NVSP_LAST_MESSAGE,
  NVSP_MAX_RECEIVE_RANGES,
  NVSP_MAX_RECEIVE_RANGES_RSC,
  NvspMessageType,
  NvspVersion,
  nvspMessageBytes,
} from '@bis/hyperv-types/network'

const NDIS_6 = 0x0006_0000
const RANGES_BEFORE_NDIS_6 = 64
/** Bits of SEND_NDIS_CONFIG. */
const Capability = { sriov: 0x04, teaming: 0x20, rsc: 0x80 } as const

/** `init`: no version yet; `configuring`: buffers and settings; `running`: RNDIS has begun; `revoked`: buffers are gone. */
export type SessionPhase = 'init' | 'configuring' | 'running' | 'revoked'

/**
 * Where a guest is in its initialisation, and which message it may send when. It only decides; a message that is not due
 * changes nothing.
 */
export class NvspSession {
  /** Negotiated version, 0 before. */
  version = 0
  /** Frame bytes, the Ethernet header included. */
  frameBytes = DEFAULT_FRAME_BYTES
  sriov = false
  rsc = false
  /** Link-speed changes are told to guests that know of teaming only. */
  teaming = false
  ndisVersion = 0
  #phase: SessionPhase = 'init'
  #hasConfig = false
  #hasNdisVersion = false

  /** Whether the message may come now. */
  allows(type: number): boolean {
    if (type === NvspMessageType.INIT) return this.#phase === 'init'
    if (this.#phase === 'init' || type > lastMessage(this.version)) return false
    switch (type) {
      case NvspMessageType.SEND_NDIS_CONFIG:
        return this.#phase === 'configuring' && !this.#hasConfig
      case NvspMessageType.SEND_NDIS_VER:
        return this.#phase === 'configuring' && !this.#hasNdisVersion
      case NvspMessageType.SEND_RECV_BUF:
      case NvspMessageType.SEND_SEND_BUF:
        return this.#phase === 'configuring'
      default:
        return true
    }
  }

  get phase(): SessionPhase {
    return this.#phase
  }

  /** Bytes of every NVSP message. */
  get messageBytes(): number {
    return nvspMessageBytes(this.version)
  }

  /** Ranges that the guest takes in one packet. */
  get receiveRanges(): number {
    if (this.ndisVersion < NDIS_6) return RANGES_BEFORE_NDIS_6
    return this.rsc ? NVSP_MAX_RECEIVE_RANGES_RSC : NVSP_MAX_RECEIVE_RANGES
  }

  agree(version: number): void {
    this.version = version
    this.#phase = 'configuring'
  }

  /** RNDIS has begun. */
  begin(): void {
    this.#phase = 'running'
  }

  /** The receive buffer has gone. */
  revoke(): void {
    if (this.#phase === 'running') this.#phase = 'revoked'
  }

  /** @param capabilities as the guest tells them; what its version does not have counts for nothing */
  configure(frameBytes: number, maxFrameBytes: number, capabilities: number): void {
    this.#hasConfig = true
    const valid = frameBytes >= DEFAULT_FRAME_BYTES && frameBytes <= maxFrameBytes
    this.frameBytes = valid ? frameBytes : DEFAULT_FRAME_BYTES
    this.sriov = this.version >= NvspVersion.V4 && (capabilities & Capability.sriov) !== 0
    this.teaming = this.version >= NvspVersion.V5 && (capabilities & Capability.teaming) !== 0
    this.rsc = this.version >= NvspVersion.V6_1 && (capabilities & Capability.rsc) !== 0
  }

  setNdisVersion(major: number, minor: number): void {
    this.#hasNdisVersion = true
    this.ndisVersion = ((major & 0xffff) << 16) | (minor & 0xffff)
  }
}

export const DEFAULT_FRAME_BYTES = 1514

function lastMessage(version: number): number {
  return NVSP_LAST_MESSAGE[version as NvspVersion] ?? NVSP_LAST_MESSAGE[NvspVersion.V1]
}
