import { NVSP_LAST_MESSAGE, NvspMessageType, NvspVersion } from '@bis/hyperv-types/network'

/** `init`: no version yet; `configuring`: buffers and settings; `running`: RNDIS has begun; `revoked`: buffers are gone. */
export type SessionPhase = 'init' | 'configuring' | 'running' | 'revoked'

/**
 * Where a guest is in its initialisation, and which message it may send when. It only decides; a message that is not due
 * changes nothing.
 */
export class NvspSession {
  phase: SessionPhase = 'init'
  /** Negotiated version, 0 before. */
  version = 0
  /** Frame bytes, the Ethernet header included. */
  frameBytes = DEFAULT_FRAME_BYTES
  sriov = false
  rsc = false
  /** Link-speed changes are told to guests that know of teaming only. */
  teaming = false
  ndisVersion = 0
  #hasConfig = false
  #hasNdisVersion = false

  /** Whether the message may come now. */
  allows(type: number): boolean {
    if (type === NvspMessageType.INIT) return this.phase === 'init'
    if (this.phase === 'init' || type > lastMessage(this.version)) return false
    switch (type) {
      case NvspMessageType.SEND_NDIS_CONFIG:
        return this.phase === 'configuring' && !this.#hasConfig
      case NvspMessageType.SEND_NDIS_VER:
        return this.phase === 'configuring' && !this.#hasNdisVersion
      case NvspMessageType.SEND_RECV_BUF:
      case NvspMessageType.SEND_SEND_BUF:
        return this.phase === 'configuring'
      default:
        return true
    }
  }

  agree(version: number): void {
    this.version = version
    this.phase = 'configuring'
  }

  configure(frameBytes: number, maxFrameBytes: number): void {
    this.#hasConfig = true
    const valid = frameBytes >= DEFAULT_FRAME_BYTES && frameBytes <= maxFrameBytes
    this.frameBytes = valid ? frameBytes : DEFAULT_FRAME_BYTES
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
