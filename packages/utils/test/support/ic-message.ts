import type { HostChannel } from '@bis/hyperv-types'
import { IC_BODY_OFFSET, IC_FLAGS_REQUEST, icPacket } from '@bis/hyperv-types/ic'

export interface MessageShape {
  readonly type: number
  readonly body: Uint8Array
  readonly flags?: number
  /** What the headers say in place of the truth. */
  readonly bodyLength?: number
  readonly pipeLength?: number
  readonly transactionId?: number
}

/** An IC message with its headers. */
export function icMessage({ type, body, flags, bodyLength, pipeLength, transactionId }: MessageShape): Uint8Array {
  const message = new Uint8Array(IC_BODY_OFFSET + body.length)
  icPacket.encode(
    {
      pipe: { pkt_type: 1, data_size: pipeLength ?? message.length - 8 },
      ic: {
        icverframe: { major: 3, minor: 0 },
        icmsgtype: type,
        icvermsg: { major: 3, minor: 0 },
        icmsgsize: bodyLength ?? body.length,
        status: 0,
        ictransaction_id: transactionId ?? 0,
        icflags: flags ?? IC_FLAGS_REQUEST,
      },
    },
    message,
  )
  message.set(body, IC_BODY_OFFSET)
  return message
}

/** Puts a packet into the guest's ring, whatever the host's component thinks of it. */
export function push(channel: HostChannel | undefined, data: Uint8Array, id = 99, packetType = 6): number | undefined {
  return channel?.send(packetType, 0, id, 0, undefined, 0, data, 0, data.length)
}
