/** How our layouts relate to the kernel's structures. A layout has the kernel's name where the kernel has the structure. */

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

const LATER = 'later than this kernel'
const PADDING = 'our name for padding'
const NVSP_BODIES = whole('in unions by version there, each body compared by itself', [
  'init init_complete send_ndis_ver send_recv_buf send_recv_buf_complete revoke_recv_buf send_send_buf',
  'send_send_buf_complete revoke_send_buf send_rndis_pkt send_rndis_pkt_complete send_ndis_config alloc_rxbuf',
  'alloc_rxbuf_comp free_rxbuf vf_assoc active_dp subchn_req subchn_comp send_table buffer',
])
const RNDIS_BODIES = whole('in a union with a name of its own there, each body compared by itself', [
  'pkt init_req halt_req query_req set_req reset_req keep_alive_req indicate_status init_complete query_complete',
  'set_complete reset_complete keep_alive_complete',
])

function whole(reason: string, names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.flatMap((line) => line.split(' ')).map((name) => [name, reason]))
}

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
  // Network
  nvsp_message_header: {},
  nvsp_message_init: {},
  nvsp_message_init_complete: {},
  nvsp_1_message_send_ndis_version: {},
  nvsp_1_message_send_receive_buffer: {},
  nvsp_1_receive_buffer_section: { renamed: { section_offset: 'offset' } },
  nvsp_1_message_send_receive_buffer_complete: {},
  nvsp_1_message_revoke_receive_buffer: {},
  nvsp_1_message_send_send_buffer: {},
  nvsp_1_message_send_send_buffer_complete: {},
  nvsp_1_message_revoke_send_buffer: {},
  nvsp_1_message_send_rndis_packet: {},
  nvsp_1_message_send_rndis_packet_complete: {},
  nvsp_2_vsc_capability: {
    added: { capability: UNION, timestamp: LATER, reliable_correlation_id: LATER, allow_rsc_disabled_status: LATER },
  },
  nvsp_2_send_ndis_config: {},
  nvsp_2_alloc_rxbuf: {},
  nvsp_2_alloc_rxbuf_comp: {},
  nvsp_2_free_rxbuf: {},
  nvsp_4_send_vf_association: {},
  nvsp_4_sw_datapath: {},
  nvsp_5_subchannel_request: {},
  nvsp_5_subchannel_complete: {},
  nvsp_5_send_indirect_table: { renamed: { table_offset: 'offset' } },
  nvsp_message: { added: NVSP_BODIES },
  rndis_initialize_request: {},
  rndis_initialize_complete: {},
  rndis_halt_request: {},
  rndis_query_request: {},
  rndis_query_complete: {},
  rndis_set_request: {},
  rndis_set_complete: {},
  rndis_reset_request: {},
  rndis_reset_complete: {},
  rndis_indicate_status: {},
  rndis_keepalive_request: {},
  rndis_keepalive_complete: {},
  rndis_packet: {},
  rndis_message: { added: RNDIS_BODIES },
  rndis_config_parameter_info: {},
  rndis_per_packet_info: { renamed: { ppi_size: 'size' }, added: { kind: UNION, raw: UNION, word: UNION } },
  rndis_pktinfo_id: {},
  ndis_tcp_ip_checksum_info: { added: { info: UNION } },
  ndis_tcp_lso_info: { added: { info: UNION } },
  ndis_pkt_8021q_info: { added: { info: UNION, tag: UNION } },
  ndis_object_header: { renamed: { object_size: 'size' } },
  ndis_csum_offload: {},
  ndis_lsov1_offload: {},
  ndis_ipsecv1_offload: {},
  ndis_lsov2_offload: {},
  ndis_ipsecv2_offload: {},
  ndis_rsc_offload: {},
  ndis_encap_offload: {},
  ndis_offload: { added: { pad: PADDING } },
  ndis_offload_params: { added: { pad: PADDING } },
  ndis_recv_scale_cap: {},
  ndis_recv_scale_param: {},
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
  'nvsp_indirection_table',
  'rndis_message_header',
  'ndis_link_state',
  'ndis_link_speed',
  'ndis_offload_encapsulation',
])
