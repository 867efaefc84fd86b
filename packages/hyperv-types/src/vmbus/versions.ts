/**
 * VMBus protocol versions, encoded major << 16 | minor, and the feature flags of 6.0.
 * Source: include/linux/hyperv.h (2.4 to 5.3), FreeBSD vmbus_reg.h (0.13, 1.1), OpenVMM vmbus_core protocol.rs (6.0).
 */

export const VmbusVersion = {
  /** Windows Server 2008: one shared event connection, offers without a connection id. */
  V0_13: 0x0000_000d,
  /** 2008 R2: a connection id and a dedicated interrupt for each channel, UNLOAD_RESPONSE. */
  V1_1: 0x0001_0001,
  /** 2012: event flag = channel id, sub-channels, target processor of a channel, pending send size. */
  V2_4: 0x0002_0004,
  /** 2012 R2: control messages may target any processor. */
  V3_0: 0x0003_0000,
  /** 2016, Windows 10 1507 to 1703: hvsock, reserved channels. */
  V4_0: 0x0004_0000,
  /** Windows 10 1709: MODIFY_CHANNEL, TL_CONNECT_RESULT. */
  V4_1: 0x0004_0001,
  /** Message connection id negotiated, no interrupt page. */
  V5_0: 0x0005_0000,
  /** Windows 10 1803: target VTL. */
  V5_1: 0x0005_0001,
  /** 2019: silo id in TL_CONNECT_REQUEST. */
  V5_2: 0x0005_0002,
  /** 2022: MODIFY_CHANNEL_RESPONSE. */
  V5_3: 0x0005_0003,
  /** 2025: feature flags. */
  V6_0: 0x0006_0000,
} as const
export type VmbusVersion = (typeof VmbusVersion)[keyof typeof VmbusVersion]

/** Every version there is, newest first: the order in which a guest tries them. */
export const VMBUS_VERSIONS: readonly VmbusVersion[] = Object.values(VmbusVersion).sort((a, b) => b - a)

/** Each version's first Windows release. */
export const VMBUS_VERSION_WINDOWS: Readonly<Record<VmbusVersion, string>> = {
  [VmbusVersion.V0_13]: 'Windows Server 2008',
  [VmbusVersion.V1_1]: 'Windows Server 2008 R2',
  [VmbusVersion.V2_4]: 'Windows Server 2012',
  [VmbusVersion.V3_0]: 'Windows Server 2012 R2',
  [VmbusVersion.V4_0]: 'Windows Server 2016',
  [VmbusVersion.V4_1]: 'Windows 10 1709',
  [VmbusVersion.V5_0]: 'Windows 10 1709 (late)',
  [VmbusVersion.V5_1]: 'Windows 10 1803',
  [VmbusVersion.V5_2]: 'Windows Server 2019',
  [VmbusVersion.V5_3]: 'Windows Server 2022',
  [VmbusVersion.V6_0]: 'Windows Server 2025',
}

export function isVmbusVersion(word: number): word is VmbusVersion {
  return (VMBUS_VERSIONS as readonly number[]).includes(word)
}

/** A version word as `major.minor`, known or not. */
export function formatVmbusVersion(word: number): string {
  return `${word >>> 16}.${word & 0xffff}`
}

/**
 * Features of a 6.0 connection: the guest offers a set in INITIATE_CONTACT, the host answers with what both have.
 * Source: OpenVMM vmbus_core protocol.rs.
 */
export const VmbusFeature = {
  /** OPEN_CHANNEL carries a connection id and event flag of the guest's choice. */
  GUEST_SPECIFIED_SIGNAL_PARAMETERS: 0x01,
  /** OPEN_CHANNEL carries flags, of which bit 0 redirects the channel's interrupt. */
  CHANNEL_INTERRUPT_REDIRECTION: 0x02,
  MODIFY_CONNECTION: 0x04,
  /** INITIATE_CONTACT carries a client id. */
  CLIENT_ID: 0x08,
  CONFIDENTIAL_CHANNELS: 0x10,
  PAUSE_RESUME: 0x20,
  /** The host allocates the monitor pages and names them in VERSION_RESPONSE. */
  SERVER_SPECIFIED_MONITOR_PAGES: 0x40,
  GPA_PINNING: 0x80,
} as const
