/** How our layouts relate to the kernel's structures. A layout has the kernel's name where the kernel has the structure. */

import { IsolationType, SynicMessageType } from '../../src/hypervisor/index.ts'
import * as ic from '../../src/ic/index.ts'
import { VstorOperation } from '../../src/storage/index.ts'
import * as vmbus from '../../src/vmbus/index.ts'

const { MessageType, PacketType } = vmbus

export interface Counterpart {
  /** Our field name → the kernel's, where they differ. */
  readonly renamed?: Readonly<Record<string, string>>
  /** Fields that the kernel has not, with the reason. */
  readonly added?: Readonly<Record<string, string>>
  /** Fields that lie elsewhere on purpose, with the reason. */
  readonly moved?: Readonly<Record<string, string>>
  /** Why the sizes differ on purpose, and by how much ours is longer. */
  readonly longer?: { readonly by: number; readonly because: string }
}

const GROUPED = 'our name for the word whose bits the kernel names one by one'
const UNION = 'our name for a union that the kernel leaves unnamed'
const V6 = 'protocol 6.0; this kernel stops at 5.3'
const FLEXIBLE = 'a list of any length here, of one element in the kernel'

/** By layout name. A layout with a kernel counterpart that is missing here fails the test. */
export const COUNTERPARTS: Readonly<Record<string, Counterpart>> = {
  // VMBus control messages
  vmbus_channel_message_header: {},
  vmbus_channel_offer: {},
  vmbus_channel_offer_channel: { added: { monitor: GROUPED, interrupt: GROUPED } },
  vmbus_channel_rescind_offer: {},
  vmbus_channel_open_channel: {
    added: { signal_connection_id: V6, event_flag: V6, flags: V6, redirect_interrupt: V6 },
    longer: { by: 8, because: V6 },
  },
  vmbus_channel_open_result: {},
  vmbus_channel_close_channel: {},
  vmbus_channel_gpadl_header: {},
  vmbus_channel_gpadl_body: {},
  vmbus_channel_gpadl_created: {},
  vmbus_channel_gpadl_teardown: {},
  vmbus_channel_gpadl_torndown: {},
  vmbus_channel_relid_released: {},
  vmbus_channel_initiate_contact: {
    added: { interrupt: UNION, target: UNION, client_id: V6 },
    longer: { by: 16, because: V6 },
  },
  vmbus_channel_version_response: {
    added: { supported_features: V6, monitor_page1: V6, monitor_page2: V6 },
    longer: { by: 24, because: V6 },
  },
  vmbus_channel_tl_connect_request: {
    added: { silo_id: 'protocol 5.2; Linux leaves it out' },
    longer: { by: 16, because: 'silo id' },
  },
  vmbus_channel_modifychannel: {},
  vmbus_channel_modifychannel_response: {},
  // Rings, packets, monitor pages
  hv_ring_buffer: { added: { guest_to_host_interrupt_count: 'a counter of FreeBSD; reserved in Linux' } },
  vmpacket_descriptor: {},
  gpa_range: {},
  vmtransfer_page_range: {},
  vmtransfer_page_packet_header: { longer: { by: -8, because: FLEXIBLE } },
  vmpipe_proto_header: {},
  hv_monitor_page: { added: { group_enable: 'in a structure of its own there: hv_monitor_trigger_state' } },
  hv_monitor_parameter: {},
  hv_monitor_trigger_group: {},
  // Hypervisor
  hv_message_header: { added: { msg_pending: 'in a structure of its own there: hv_message_flags' } },
  hv_message: {},
  hv_input_post_message: {},
  hv_tlb_flush: {},
  hv_tlb_flush_ex: {},
  hv_vpset: {},
  hv_send_ipi: {},
  hv_send_ipi_ex: {},
  ms_hyperv_tsc_page: {},
  hv_nested_enlightenments_control: {},
  hv_vp_assist_page: {},
  // Storage
  vmscsi_request: { renamed: { queue_sort_key: 'queue_sort_ey' }, added: { u: UNION } },
  vmstorage_channel_properties: {},
  vmstorage_protocol_version: {},
  hv_fc_wwn_packet: {},
  vstor_packet: { added: { u: UNION } },
  // Integration components
  ic_version: {},
  icmsg_hdr: {},
  icmsg_negotiate: {},
  heartbeat_msg_data: {
    added: { application_state: 'one of the reserved words of Linux' },
    moved: { reserved: 'begins behind the application state' },
  },
  shutdown_msg_data: {},
  ictimesync_data: {},
  ictimesync_ref_data: {},
  hv_kvp_hdr: {},
  hv_kvp_exchg_msg_value: {},
  hv_kvp_msg_get: {},
  hv_kvp_msg_set: {},
  hv_kvp_msg_delete: {},
  hv_kvp_msg_enumerate: {},
  hv_kvp_ipaddr_value: {},
  hv_kvp_ip_msg: {},
  hv_vss_hdr: {},
  hv_vss_check_feature: {},
  hv_vss_check_dm_info: {},
  hv_fcopy_hdr: {},
  hv_start_fcopy: {},
}

/** Registers, by our name. */
export const REGISTER_COUNTERPARTS: Readonly<Record<string, Counterpart>> = {
  hv_x64_msr_hypercall_contents: { added: { locked: 'reserved in this kernel' } },
  hv_reference_tsc_msr: {},
  hv_vp_assist_msr_contents: {},
  hv_synic_scontrol: {},
  hv_synic_siefp: {},
  hv_synic_simp: {},
  hv_synic_sint: { added: { proxy: 'of the paravisor; reserved in this kernel' } },
  hv_stimer_config: {},
  hv_reenlightenment_control: {},
  hv_tsc_emulation_control: {},
  hv_tsc_emulation_status: {},
}

/** Layouts and registers that the kernel has nothing for, or not under one name. */
export const WITHOUT_COUNTERPART: ReadonlySet<string> = new Set([
  'vmbus_channel_message',
  'initiate_contact_target',
  'open_reserved_channel',
  'close_reserved_channel',
  'close_reserved_channel_response',
  'tl_connect_result',
  'modify_connection',
  'modify_connection_response',
  'vmbus_packet_gpa_direct',
  'hv_hypercall_control',
  'hv_input_signal_event',
  'hv_message_page',
  'hv_timer_message',
  'hv_crash_ctl',
  'hv_guest_os_id',
  'ide_offer_user_defined',
  'ic_packet_header',
  'kvp_ip_address_value_binary',
  'vss_snapshot_set',
  'vss_lun_info',
  'vss_freeze',
  'vss_auto_recover',
  'vss_cluster_info',
  'hv_do_fcopy',
])

/** An enumeration of the kernel against constants of ours. */
export interface EnumCounterpart {
  readonly ours: Readonly<Record<string, number>>
  /** What the kernel puts before each name. */
  readonly prefix: string
  /** Our name → the kernel's without its prefix. */
  readonly renamed?: Readonly<Record<string, string>>
  /** Constants that the kernel has not. */
  readonly added?: readonly string[]
  /** Constants that we leave out: counts, maxima, and what is no value of the wire. */
  readonly omitted?: readonly string[]
}

export const ENUM_COUNTERPARTS: Readonly<Record<string, EnumCounterpart>> = {
  vmbus_channel_message_type: {
    ours: MessageType,
    prefix: 'CHANNELMSG_',
    renamed: {
      OFFER_CHANNEL: 'OFFERCHANNEL',
      RESCIND_OFFER: 'RESCIND_CHANNELOFFER',
      REQUEST_OFFERS: 'REQUESTOFFERS',
      ALL_OFFERS_DELIVERED: 'ALLOFFERS_DELIVERED',
      OPEN_CHANNEL: 'OPENCHANNEL',
      OPEN_RESULT: 'OPENCHANNEL_RESULT',
      CLOSE_CHANNEL: 'CLOSECHANNEL',
      OPEN_RESERVED_CHANNEL: '18',
      CLOSE_RESERVED_CHANNEL: '19',
      CLOSE_RESERVED_CHANNEL_RESPONSE: '20',
      MODIFY_CHANNEL: 'MODIFYCHANNEL',
      MODIFY_CHANNEL_RESPONSE: 'MODIFYCHANNEL_RESPONSE',
    },
    added: ['MODIFY_CONNECTION', 'MODIFY_CONNECTION_RESPONSE', 'PAUSE', 'PAUSE_RESPONSE', 'RESUME'],
    omitted: ['INVALID', 'COUNT'],
  },
  vmbus_packet_type: { ours: PacketType, prefix: 'VM_PKT_', renamed: { COMPLETION: 'COMP' } },
  anon_hv_vmbus_95322: {
    ours: {
      VMBUS_MESSAGE_CONNECTION_ID: vmbus.VMBUS_MESSAGE_CONNECTION_ID,
      VMBUS_MESSAGE_CONNECTION_ID_4: vmbus.VMBUS_MESSAGE_CONNECTION_ID_4,
      VMBUS_EVENT_CONNECTION_ID: vmbus.VMBUS_EVENT_CONNECTION_ID,
      VMBUS_MONITOR_CONNECTION_ID: vmbus.VMBUS_MONITOR_CONNECTION_ID,
      VMBUS_MESSAGE_SINT: vmbus.VMBUS_MESSAGE_SINT,
    },
    prefix: '',
    omitted: ['VMBUS_MESSAGE_PORT_ID', 'VMBUS_EVENT_PORT_ID', 'VMBUS_MONITOR_PORT_ID'],
  },
  hv_message_type: { ours: SynicMessageType, prefix: 'HVMSG_', added: ['VMBUS'] },
  hv_isolation_type: { ours: IsolationType, prefix: 'HV_ISOLATION_TYPE_' },
  vstor_packet_operation: {
    ours: VstorOperation,
    prefix: 'VSTOR_OPERATION_',
    added: ['EVENT_NOTIFICATION'],
    omitted: ['MAXIMUM'],
  },
  hv_kvp_exchg_op: { ours: ic.KvpOperation, prefix: 'KVP_OP_', omitted: ['COUNT'] },
  hv_vss_op: { ours: ic.VssOperation, prefix: 'VSS_OP_', added: ['CLUSTER_INFO'], omitted: ['COUNT'] },
  hv_fcopy_op: {
    ours: ic.FileCopyOperation,
    prefix: '',
    renamed: { START: 'START_FILE_COPY', WRITE: 'WRITE_TO_FILE', COMPLETE: 'COMPLETE_FCOPY', CANCEL: 'CANCEL_FCOPY' },
  },
}
