import { IC_BODY_OFFSET, IcStatus } from '@bis/hyperv-types/ic'

/**
 * A request of the host in the component's message buffer. The answer goes into the same bytes: write the body from
 * `IC_BODY_OFFSET` on, then {@link respond}. Nothing in the bytes changes while the request is open.
 */
export class IcRequest {
  /** Message version agreed, major << 16 | minor. */
  readonly version: number
  /** The whole message, pipe header first. */
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Bytes of the body, checked against the packet. */
  readonly bodyLength: number
  readonly #answer: (request: IcRequest, status: number) => boolean

  constructor(
    version: number,
    bytes: Uint8Array,
    view: DataView,
    bodyLength: number,
    answer: (request: IcRequest, status: number) => boolean,
  ) {
    this.version = version
    this.bytes = bytes
    this.view = view
    this.bodyLength = bodyLength
    this.#answer = answer
  }

  /** The body, where it is. */
  get body(): Uint8Array {
    return this.bytes.subarray(IC_BODY_OFFSET, IC_BODY_OFFSET + this.bodyLength)
  }

  /**
   * Sends the answer with an HRESULT; its packet is as long as the host's.
   * @returns false when the request is answered already, or void since the host has begun anew or is gone
   */
  respond(status: number = IcStatus.S_OK): boolean {
    return this.#answer(this, status)
  }
}
