/** Flags of a channel offer (`chn_flags`). Source: include/linux/hyperv.h; 0x8 and the 6.0 readings OpenVMM protocol.rs. */
export const OfferFlag = {
  ENUMERATE_DEVICE_INTERFACE: 0x0001,
  SERVER_SUPPORTS_TRANSFER_PAGES: 0x0002,
  SERVER_SUPPORTS_GPADLS: 0x0004,
  NAMED_PIPE_MODE: 0x0010,
  LOOPBACK_OFFER: 0x0100,
  PARENT_OFFER: 0x0200,
  REQUEST_MONITORED_NOTIFICATION: 0x0400,
  /** An hvsock connection. */
  TLNPI_PROVIDER_OFFER: 0x2000,
  /** From 6.0 on with CONFIDENTIAL_CHANNELS: the same bit as SERVER_SUPPORTS_TRANSFER_PAGES. */
  CONFIDENTIAL_RING_BUFFER: 0x0002,
  /** From 6.0 on with CONFIDENTIAL_CHANNELS: the same bit as SERVER_SUPPORTS_GPADLS. */
  CONFIDENTIAL_EXTERNAL_MEMORY: 0x0004,
  PINNED: 0x0008,
} as const

/** First word of a pipe channel's user-defined bytes. */
export const PipeMode = { BYTE: 0, MESSAGE: 4 } as const
