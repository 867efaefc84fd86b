import { describe, expect, it } from 'vitest'
import {
  fileCopyWrite,
  heartbeatMessage,
  IC_BODY_OFFSET,
  IC_FLAGS_REQUEST,
  IcMessageType,
  IcStatus,
  icNegotiate,
  icPacket,
  kvpEnumerate,
  kvpHeader,
  kvpIpAddressBinary,
  kvpIpMessage,
  SHUTDOWN_FIXED_BYTES,
  vssAutoRecover,
  vssClusterInfo,
  vssFreeze,
  vssHeader,
} from './index.ts'

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/[|\s]/g, '').match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}

function header(
  type: number,
  size: number,
  length: number,
  version: { major: number; minor: number },
  frame = version,
) {
  return icPacket.encode({
    pipe: { pkt_type: 1, data_size: length },
    ic: {
      icverframe: frame,
      icmsgtype: type,
      icvermsg: version,
      icmsgsize: size,
      status: IcStatus.S_OK,
      ictransaction_id: 0,
      icflags: IC_FLAGS_REQUEST,
    },
  })
}

describe('worked examples', () => {
  it('heartbeat request of version 3.0', () => {
    const v3 = { major: 3, minor: 0 }
    expect(header(IcMessageType.HEARTBEAT, 16, 36, v3)).toEqual(
      hex('01000000 24000000 | 03000000 | 0100 | 03000000 | 1000 | 00000000 | 00 | 03 | 0000'),
    )
  })

  it('negotiation of framework and message 1.0 and 3.0', () => {
    const none = { major: 0, minor: 0 }
    expect(header(IcMessageType.NEGOTIATE, 24, 44, none)).toEqual(
      hex('01000000 2c000000 | 00000000 | 0000 | 00000000 | 1800 | 00000000 | 00 | 03 | 0000'),
    )
    const versions = [1, 3, 1, 3].map((major) => ({ major, minor: 0 }))
    const body = icNegotiate.encode({ icframe_vercnt: 2, icmsg_vercnt: 2, icversion_data: versions })
    expect(body).toEqual(hex('02000200 00000000 | 01000000 | 03000000 | 01000000 | 03000000'))
    expect(icNegotiate.decode(body, 0, body.length).icversion_data).toEqual(versions)
  })

  it('KVP ENUMERATE of pool 2', () => {
    const bytes = kvpHeader.encode({ operation: 3, pool: 2 })
    expect(bytes).toEqual(hex('03020000'))
    const record = IC_BODY_OFFSET + kvpHeader.size
    expect(record + kvpEnumerate.index.offset).toBe(32)
    expect(record + kvpEnumerate.data.value_type.offset).toBe(36)
    expect(record + kvpEnumerate.data.key_size.offset).toBe(40)
    expect(record + kvpEnumerate.data.key.offset).toBe(48)
    expect(record + kvpEnumerate.data.value.offset).toBe(560)
    expect(IC_BODY_OFFSET + kvpIpMessage.kvp_ip_val.offset).toBe(30)
  })
})

describe('sizes', () => {
  it('count from the beginning of the body', () => {
    expect(vssHeader.size + vssFreeze.size).toBe(6260)
    expect(vssHeader.size + vssAutoRecover.size).toBe(12500)
    expect(vssHeader.size + vssClusterInfo.size).toBe(7320)
    expect(SHUTDOWN_FIXED_BYTES).toBe(12)
    expect(kvpIpAddressBinary.ipv6_prefix.offset).toBe(1820)
    expect(kvpIpAddressBinary.ipv4_dns.offset).toBe(2176)
    expect(fileCopyWrite.data.offset).toBe(52)
    expect(heartbeatMessage.decode(heartbeatMessage.encode({ seq_num: 2n ** 63n, application_state: 1 }))).toEqual({
      seq_num: 2n ** 63n,
      application_state: 1,
    })
  })
})
