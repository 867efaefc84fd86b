/**
 * Connection ids, SINTs and limits of the VMBus.
 * Source: drivers/hv/hyperv_vmbus.h, FreeBSD vmbus_reg.h.
 */

/** Connection id of control messages to a host older than 5.0 (FreeBSD: always). */
export const VMBUS_MESSAGE_CONNECTION_ID = 1
/** Connection id of INITIATE_CONTACT from 5.0 on; the VERSION_RESPONSE names the one to use afterwards. */
export const VMBUS_MESSAGE_CONNECTION_ID_4 = 4
/** Where a paravisor takes the messages of the guest above it: VTL 2, SINT 7. Source: OpenVMM vmbus_core protocol.rs. */
export const VMBUS_MESSAGE_REDIRECT_CONNECTION_ID = 0x80_0074
/** The event connection that all channels share in 0.13. */
export const VMBUS_EVENT_CONNECTION_ID = 2
export const VMBUS_MONITOR_CONNECTION_ID = 3

/** SINT of channel messages and events in every guest. */
export const VMBUS_MESSAGE_SINT = 2
/** Type of a SynIC or posted message that carries a VMBus control message. */
export const VMBUS_MESSAGE_TYPE = 1

/** Channel ids are below this: the event flags of one SINT. Flag 0 is never a channel. */
export const VMBUS_MAX_CHANNELS = 2048
/** Channels that the interrupt page of versions before 2.4 can name. */
export const VMBUS_MAX_CHANNELS_INTERRUPT_PAGE = 256
/** Monitor ids are below this. */
export const VMBUS_MAX_MONITOR_IDS = 128
/** Bytes of user data in OPEN_CHANNEL and OFFER_CHANNEL. */
export const VMBUS_USER_DATA_BYTES = 120
/** Target VP of a channel that wants no interrupts. */
export const VMBUS_NO_TARGET_VP = 0xffff_ffff
/** Where the interrupt page's host-to-guest bits begin, and the guest-to-host ones. */
export const INTERRUPT_PAGE_RECEIVE_OFFSET = 0
export const INTERRUPT_PAGE_SEND_OFFSET = 2048
/** First GPADL handle that Linux and FreeBSD use. */
export const VMBUS_FIRST_GPADL_HANDLE = 0xe1e10

/** Status of OPEN_RESULT, GPADL_CREATED and MODIFY_CHANNEL_RESPONSE when all went well; anything else is a failure. */
export const VMBUS_STATUS_SUCCESS = 0
/** What OpenVMM answers for a GPADL or channel that it refuses (E_UNEXPECTED). */
export const VMBUS_STATUS_FAILURE = 0x8000_ffff
/** TL_CONNECT_RESULT when no one listens (STATUS_CONNECTION_REFUSED). */
export const VMBUS_STATUS_CONNECTION_REFUSED = 0xc000_0236

/** `connection_state` of VERSION_RESPONSE and MODIFY_CONNECTION_RESPONSE. */
export const ConnectionState = {
  SUCCESSFUL: 0,
  FAILED_LOW_RESOURCES: 1,
  FAILED_UNKNOWN_FAILURE: 2,
} as const
