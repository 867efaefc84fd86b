/** Receive-side scaling. Sources: drivers/net/hyperv/hyperv_net.h, FreeBSD ndis.h, Microsoft's NDIS documentation. */
import { at, layout, u16, u32 } from '../struct/index.ts'
import { ndisObjectHeader } from './ndis-object.ts'

/** GEN_RECEIVE_SCALE_CAPABILITIES; revision 1 ends before the table entries. */
export const rssCapabilities = layout(
  'ndis_recv_scale_cap',
  { hdr: ndisObjectHeader, cap_flag: u32, num_int_msg: u32, num_recv_que: u32, num_indirect_tabent: u16 },
  { size: 18 },
)

/** `cap_flag`; the low byte is the hash function. */
export const RssCapability = {
  TOEPLITZ: 0x0000_0001,
  TCP_IPV4: 0x0000_0100,
  TCP_IPV6: 0x0000_0200,
  TCP_IPV6_EX: 0x0000_0400,
  UDP_IPV4: 0x0000_0800,
  UDP_IPV6: 0x0000_1000,
  UDP_IPV6_EX: 0x0000_2000,
} as const

/** GEN_RECEIVE_SCALE_PARAMETERS; table entries (u32) are channel indexes. Offsets count from the object. */
export const rssParameters = layout(
  'ndis_recv_scale_param',
  {
    hdr: ndisObjectHeader,
    flag: u16,
    base_cpu_number: u16,
    hashinfo: u32,
    indirect_tabsize: u16,
    indirect_taboffset: at(16, u32),
    hashkey_size: u16,
    hashkey_offset: at(24, u32),
    processor_masks_offset: u32,
    num_processor_masks: u32,
    processor_masks_entry_size: u32,
  },
  { size: 40 },
)
export const RSS_KEY_BYTES = 40

export const RssParameterFlag = {
  BASE_CPU_UNCHANGED: 0x01,
  HASH_INFO_UNCHANGED: 0x02,
  TABLE_UNCHANGED: 0x04,
  KEY_UNCHANGED: 0x08,
  DISABLE: 0x10,
  DEFAULT_PROCESSOR_UNCHANGED: 0x20,
} as const

/** `hashinfo`, and the data of HASH_INFO. */
export const RssHash = {
  TOEPLITZ: 0x0_0001,
  IPV4: 0x0_0100,
  TCP_IPV4: 0x0_0200,
  IPV6: 0x0_0400,
  IPV6_EX: 0x0_0800,
  TCP_IPV6: 0x0_1000,
  TCP_IPV6_EX: 0x0_2000,
  UDP_IPV4: 0x0_4000,
  UDP_IPV6: 0x0_8000,
  UDP_IPV6_EX: 0x1_0000,
} as const
