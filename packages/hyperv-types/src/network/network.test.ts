import { describe, expect, it } from 'vitest'
import {
  checksumInfo,
  describeNvspMessage,
  describeOid,
  describeRndisMessage,
  largeSendInfo,
  NVSP_NO_SEND_SECTION,
  NVSP_VERSIONS,
  NvspMessageType,
  NvspVersion,
  nvspMessage,
  nvspMessageBytes,
  PPI_BYTES,
  PPI_PACKET_ID,
  PpiType,
  perPacketInfo,
  RNDIS_PACKET_HEADER_BYTES,
  RndisMessageType,
  rndisMessage,
  vlanInfo,
} from './index.ts'

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/\s/g, '').match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}

describe('NVSP', () => {
  it('INIT of 6.1', () => {
    const init = { min_protocol_ver: NvspVersion.V6_1, max_protocol_ver: NvspVersion.V6_1 }
    const bytes = nvspMessage.encode({ hdr: { msg_type: NvspMessageType.INIT }, msg: { init } })
    expect(bytes.length).toBe(nvspMessageBytes(NvspVersion.V6_1))
    expect(bytes.subarray(0, 12)).toEqual(hex('01000000 01000600 01000600'))
    expect(bytes.subarray(12).every((byte) => byte === 0)).toBe(true)
  })

  it('INIT_COMPLETE as OpenVMM answers', () => {
    const { hdr, msg } = nvspMessage.decode(hex(`02000000 ffffffff 22000000 01000000${'00'.repeat(24)}`))
    expect(hdr.msg_type).toBe(NvspMessageType.INIT_COMPLETE)
    expect(msg.init_complete).toEqual({ negotiated_protocol_ver: 0xffffffff, max_mdl_chain_len: 34, status: 1 })
  })

  it('a packet without a send section', () => {
    const send_rndis_pkt = { channel_type: 0, send_buf_section_index: NVSP_NO_SEND_SECTION, send_buf_section_size: 0 }
    const bytes = nvspMessage.encode({ hdr: { msg_type: 107 }, msg: { send_rndis_pkt } })
    expect(bytes.subarray(0, 16)).toEqual(hex('6b000000 00000000 ffffffff 00000000'))
  })

  it('orders and sizes versions', () => {
    expect(NVSP_VERSIONS.map(nvspMessageBytes)).toEqual([40, 28, 28, 28, 28, 28])
    expect(NVSP_VERSIONS[0]).toBe(NvspVersion.V6_1)
  })

  it('names for the log', () => {
    expect(describeNvspMessage(133)).toBe('SUBCHANNEL')
    expect(describeNvspMessage(200)).toBe('NVSP message 200')
    expect(describeRndisMessage(0x80000004)).toBe('QUERY_C')
    expect(describeOid(0x0001010e)).toBe('GEN_CURRENT_PACKET_FILTER')
    expect(describeOid(0x12)).toBe('OID 0x00000012')
  })
})

describe('RNDIS', () => {
  it('a 60-byte frame with checksum and VLAN information', () => {
    const message = new Uint8Array(RNDIS_PACKET_HEADER_BYTES + 2 * PPI_BYTES)
    const view = new DataView(message.buffer)
    const { pkt } = rndisMessage.msg.as
    rndisMessage.ndis_msg_type.set(view, 0, RndisMessageType.PACKET)
    rndisMessage.msg_len.set(view, 0, message.length + 60)
    pkt.data_offset.set(view, 0, message.length - 8)
    pkt.data_len.set(view, 0, 60)
    pkt.per_pkt_info_offset.set(view, 0, 36)
    pkt.per_pkt_info_len.set(view, 0, 2 * PPI_BYTES)
    let ppi = RNDIS_PACKET_HEADER_BYTES
    perPacketInfo.encode({ ppi_size: PPI_BYTES, kind: { raw: PpiType.TCPIP_CHECKSUM }, ppi_offset: 12 }, message, ppi)
    const transmit = { is_ipv4: 1, tcp_checksum: 1, tcp_header_offset: 34 }
    checksumInfo.encode({ info: { transmit } }, message, ppi + 12)
    ppi += PPI_BYTES
    perPacketInfo.encode({ ppi_size: PPI_BYTES, kind: { raw: PpiType.IEEE_8021Q }, ppi_offset: 12 }, message, ppi)
    vlanInfo.encode({ info: { tag: { pri: 3, vlanid: 5 } } }, message, ppi + 12)
    expect(message).toEqual(
      hex(`01000000 88000000 44000000 3c000000 00000000 00000000 00000000 24000000 20000000 00000000 00000000
        10000000 00000000 0c000000 05002200 10000000 06000000 0c000000 53000000`),
    )
  })

  it('large send of 1448 bytes behind 34', () => {
    const info = { lso_v2_transmit: { mss: 1448, tcp_header_offset: 34, type: 1 } }
    expect(new DataView(largeSendInfo.encode({ info }).buffer).getUint32(0, true)).toBe(0x422005a8)
  })

  it('packet ids are internal', () => {
    const view = new DataView(new ArrayBuffer(16))
    perPacketInfo.kind.as.raw.set(view, 0, PPI_PACKET_ID)
    expect(perPacketInfo.decode(view).kind.word).toEqual({ type: 1, internal: 1 })
  })
})
