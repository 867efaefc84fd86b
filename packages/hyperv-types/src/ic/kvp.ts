/**
 * Key-value pairs. Sizes of keys and values are bytes of UTF-16LE text, its NUL included.
 * Sources: include/uapi/linux/hyperv.h, FreeBSD hv_kvp.h, OpenVMM hyperv_ic_protocol kvp.rs.
 */
import { array, at, bytes, layout, reserved, u8, u16, u32, u64, union, utf16 } from '../struct/index.ts'

export const KvpOperation = {
  GET: 0,
  SET: 1,
  DELETE: 2,
  ENUMERATE: 3,
  GET_IP_INFO: 4,
  SET_IP_INFO: 5,
} as const

export const KvpPool = {
  /** Pushed by the host. */
  EXTERNAL: 0,
  /** The guest's own, read by the host. */
  GUEST: 1,
  /** What the guest says of its system. */
  AUTO: 2,
  /** What the host says of itself. */
  AUTO_EXTERNAL: 3,
  /** A file of the daemon; never on the wire. */
  AUTO_INTERNAL: 4,
} as const
export const KVP_POOL_COUNT = 5

/** Registry types; guests answer everything as STRING. OpenVMM has 11 for 64 bits, Linux and FreeBSD 8. */
export const KvpValueType = { STRING: 1, EXPAND_STRING: 2, U32: 4, U64: 8, QWORD: 11 } as const

export const KVP_MAX_KEY_BYTES = 512
export const KVP_MAX_VALUE_BYTES = 2048

/** First bytes of the body. Behind it, GET to ENUMERATE are at 4, IP information in text form at 2. */
export const kvpHeader = layout('hv_kvp_hdr', { operation: u8, pool: u8, pad: reserved(2) }, { size: 4 })

export const kvpValue = layout(
  'hv_kvp_exchg_msg_value',
  {
    value_type: u32,
    key_size: u32,
    value_size: u32,
    key: bytes(KVP_MAX_KEY_BYTES),
    value: union({ value: bytes(KVP_MAX_VALUE_BYTES), value_u32: u32, value_u64: u64 }),
  },
  { size: 2572 },
)

/** GET and SET. */
export const kvpGet = layout('hv_kvp_msg_get', { data: kvpValue }, { size: 2572 })
export const kvpSet = layout('hv_kvp_msg_set', { data: kvpValue }, { size: 2572 })
export const kvpDelete = layout('hv_kvp_msg_delete', { key_size: u32, key: bytes(KVP_MAX_KEY_BYTES) }, { size: 516 })
export const kvpEnumerate = layout('hv_kvp_msg_enumerate', { index: u32, data: kvpValue }, { size: 2576 })

/** IP information in text form, several entries separated by `;`. */
export const kvpIpAddress = layout(
  'hv_kvp_ipaddr_value',
  {
    /** The MAC address in a question, the adapter's instance id in a setting. */
    adapter_id: utf16(128),
    addr_family: u8,
    dhcp_enabled: u8,
    ip_addr: utf16(1024),
    sub_net: utf16(1024),
    gate_way: utf16(512),
    dns_addr: utf16(1024),
  },
  { size: 7426 },
)
/** Whole body of GET_IP_INFO and SET_IP_INFO in text form: no padding behind the pool. */
export const kvpIpMessage = layout(
  'hv_kvp_ip_msg',
  { operation: u8, pool: u8, kvp_ip_val: kvpIpAddress },
  { size: 7428 },
)
export const KvpAddressFamily = { NONE: 0, IPV4: 1, IPV6: 2, BOTH: 3 } as const

/** Where an address comes from; OTHER is DHCP as a rule. */
export const KvpAddressOrigin = { UNKNOWN: 0, OTHER: 1, STATIC: 2 } as const

/** IP information of KVP 5.0, in network byte order; at 4 behind the header. */
export const kvpIpAddressBinary = layout(
  'kvp_ip_address_value_binary',
  {
    ipv4_addresses: u32,
    ipv6_addresses: u32,
    ipv4_gateways: u32,
    ipv6_gateways: u32,
    ipv4_dns_servers: u32,
    ipv6_dns_servers: u32,
    adapter_id: utf16(128),
    addr_family: u8,
    dhcp_enabled: u8,
    reserved: reserved(2),
    ipv4: array(bytes(4), 64),
    ipv6: array(bytes(16), 64),
    ipv4_mask: array(bytes(4), 64),
    ipv6_prefix: array(u32, 64),
    ipv4_gateway: array(bytes(4), 5),
    ipv6_gateway: array(bytes(16), 5),
    ipv4_dns: array(bytes(4), 64),
    ipv6_dns: array(bytes(16), 64),
    /** `KvpAddressOrigin` of each address, those of IPv4 first, without a gap. */
    origin: at(3456, array(u16, 128)),
  },
  { size: 3712 },
)

/** Bytes of the body that OpenVMM's host sends: for GET to ENUMERATE, and for IP information. */
export const KVP_BODY_BYTES = 2580
export const KVP_IP_BODY_BYTES = 7428

/** Keys of the AUTO pool, in the order of their index. */
export const KVP_AUTO_KEYS = [
  'FullyQualifiedDomainName',
  'IntegrationServicesVersion',
  'NetworkAddressIPv4',
  'NetworkAddressIPv6',
  'OSBuildNumber',
  'OSName',
  'OSMajorVersion',
  'OSMinorVersion',
  'OSVersion',
  'ProcessorArchitecture',
] as const

/** Versions, major << 16 | minor. */
export const KVP_1_0 = 0x0001_0000
export const KVP_3_0 = 0x0003_0000
export const KVP_4_0 = 0x0004_0000
export const KVP_5_0 = 0x0005_0000
