/** How a kernel's character device for the KVP daemon differs from the other's. */
export interface KvpDeviceKind {
  /** Below `/dev`. */
  readonly path: string
  /** Of every message: struct hv_kvp_msg, which the two kernels pad differently. */
  readonly messageBytes: number
  /** What the daemon registers with. */
  readonly registration: number
  /** Whether the kernel answers a registration, with its version. */
  readonly answersRegistration: boolean
}

/** struct hv_kvp_hdr of the daemons has operations beyond the host's. */
export const REGISTER = 4
export const REGISTER1 = 100

export const KVP_DEVICES: { readonly linux: KvpDeviceKind; readonly freebsd: KvpDeviceKind } = {
  linux: { path: 'vmbus/hv_kvp', messageBytes: 7432, registration: REGISTER1, answersRegistration: true },
  freebsd: { path: 'hv_kvp_dev', messageBytes: 7430, registration: REGISTER, answersRegistration: false },
}
/** `uint32_t` status over the header, then the body. */
export const DEVICE_BODY = 4
