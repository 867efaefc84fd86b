import type { Packet } from '@bis/hyperv-types'
import {
  IC_BODY_OFFSET,
  IC_FLAGS_REQUEST,
  IC_FLAGS_RESPONSE,
  IcFlag,
  IcMessageType,
  icNegotiate,
  icPacket,
} from '@bis/hyperv-types/ic'
import { PacketType } from '@bis/hyperv-types/ring'
import { PipePacketType } from '@bis/hyperv-types/vmbus'
import type { IcVersion } from '../host-release.ts'
import type { IcFaults } from './faults.ts'

const { pipe, ic } = icPacket

/** What both ends speak. */
export interface AgreedVersions {
  readonly framework: IcVersion
  readonly message: IcVersion
}

/** The guest's answer to a request, checked. */
export interface IcAnswer {
  /** HRESULT. */
  readonly status: number
  readonly version: IcVersion
  /** The body, a copy of as many bytes as the IC header says. */
  readonly body: Uint8Array
}

/** A message of the guest, its lengths checked. */
export interface IcReply {
  readonly type: number
  readonly status: number
  readonly transactionId: number
  readonly body: Uint8Array
}

const NO_VERSION: IcVersion = { major: 0, minor: 0 }

/** A request with its headers. */
export function encodeRequest(
  type: number,
  agreed: AgreedVersions | undefined,
  transactionId: number,
  body: Uint8Array,
  faults: IcFaults,
): Uint8Array {
  const message = new Uint8Array(IC_BODY_OFFSET + body.length)
  icPacket.encode(
    {
      pipe: { pkt_type: PipePacketType.DATA, data_size: faults.pipeLength ?? message.length - pipe.size },
      ic: {
        icverframe: agreed?.framework ?? NO_VERSION,
        icmsgtype: type,
        icvermsg: agreed?.message ?? NO_VERSION,
        icmsgsize: faults.bodyLength ?? body.length,
        status: 0,
        ictransaction_id: transactionId,
        icflags: IC_FLAGS_REQUEST,
      },
    },
    message,
  )
  message.set(body, IC_BODY_OFFSET)
  return faults.mutate?.(message) ?? message
}

/** The body of NEGOTIATE: lists from the lowest version on. */
export function encodeOffer(
  frameworks: readonly IcVersion[],
  messages: readonly IcVersion[],
  faults: IcFaults,
): Uint8Array {
  const [icframe_vercnt, icmsg_vercnt] = faults.negotiationCounts ?? [frameworks.length, messages.length]
  return icNegotiate.encode({ icframe_vercnt, icmsg_vercnt, icversion_data: [...frameworks, ...messages] })
}

/** The versions of an answer to NEGOTIATE; undefined when the guest has chosen none of those offered. */
export function readChoice(
  { status, body }: IcReply,
  frameworks: readonly IcVersion[],
  messages: readonly IcVersion[],
): AgreedVersions | undefined {
  if (status !== 0 || body.length < icNegotiate.size + 8) return undefined
  const { icframe_vercnt, icmsg_vercnt, icversion_data } = icNegotiate.decode(body, 0, icNegotiate.size + 8)
  const [framework, message] = icversion_data
  if (icframe_vercnt !== 1 || icmsg_vercnt !== 1 || framework === undefined || message === undefined) return undefined
  if (!lists(frameworks, framework) || !lists(messages, message)) return undefined
  return { framework, message }
}

/** A message of the guest; undefined when it is no answer to anything. */
export function readReply({ type, view, bytes, dataOffset, dataLength }: Packet): IcReply | undefined {
  if (type !== PacketType.dataInBand || dataLength < IC_BODY_OFFSET) return undefined
  const flags = ic.icflags.get(view, dataOffset)
  if ((flags & IC_FLAGS_RESPONSE) !== IC_FLAGS_RESPONSE || (flags & IcFlag.REQUEST) !== 0) return undefined
  const end = pipe.size + pipe.data_size.get(view, dataOffset)
  const bodyEnd = IC_BODY_OFFSET + ic.icmsgsize.get(view, dataOffset)
  if (end > dataLength || bodyEnd > end) return undefined
  return {
    type: ic.icmsgtype.get(view, dataOffset),
    status: ic.status.get(view, dataOffset),
    transactionId: ic.ictransaction_id.get(view, dataOffset),
    body: bytes.slice(dataOffset + IC_BODY_OFFSET, dataOffset + bodyEnd),
  }
}

export const NEGOTIATE = IcMessageType.NEGOTIATE

function lists(versions: readonly IcVersion[], version: IcVersion): boolean {
  return versions.some(({ major, minor }) => major === version.major && minor === version.minor)
}
