/** How our constants relate to the kernel's enumerations. */
import { IsolationType, SynicMessageType } from '../../src/hypervisor/index.ts'
import * as ic from '../../src/ic/index.ts'
import * as network from '../../src/network/index.ts'
import { VstorOperation } from '../../src/storage/index.ts'
import * as vmbus from '../../src/vmbus/index.ts'

const { MessageType, PacketType } = vmbus
const { NvspMessageType } = network

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
  anon_hv_netvsc_95309: {
    ours: NvspMessageType,
    prefix: 'NVSP_',
    renamed: Object.fromEntries(
      Object.entries(NvspMessageType).map(([name, type]) => {
        const version =
          type < 100 ? '' : type < 109 ? '1' : type < 128 ? '2' : type < 131 ? '4' : type < 135 ? '5' : '6'
        return [name, `MSG${version}_TYPE_${name}`]
      }),
    ),
    omitted: ['VERSION_MSG_START', 'MSG2_MAX', 'MSG4_MAX', 'MSG5_MAX', 'MSG6_MAX'],
  },
  anon_hv_netvsc_95310: { ours: network.NvspStatus, prefix: 'NVSP_STAT_', omitted: ['MAX'] },
  nvsp_vm_datapath: { ours: network.NvspDataPath, prefix: 'NVSP_DATAPATH_', omitted: ['MAX'] },
  nvsp_subchannel_operation: { ours: network.NvspSubchannelOperation, prefix: 'NVSP_SUBCHANNEL_', omitted: ['MAX'] },
  ndis_per_pkt_info_type: {
    ours: network.PpiType,
    prefix: '',
    renamed: {
      TCPIP_CHECKSUM: 'TCPIP_CHKSUM_PKTINFO',
      IPSEC: 'IPSEC_PKTINFO',
      TCP_LARGE_SEND: 'TCP_LARGESEND_PKTINFO',
      CLASSIFICATION_HANDLE: 'CLASSIFICATION_HANDLE_PKTINFO',
      SG_LIST: 'SG_LIST_PKTINFO',
      IEEE_8021Q: 'IEEE_8021Q_INFO',
      ORIGINAL_PACKET: 'ORIGINAL_PKTINFO',
      HASH_VALUE: 'NBL_HASH_VALUE',
      HASH_INFO: 'ORIGINAL_NET_BUFLIST',
      CACHED_NET_BUFFER_LIST: 'CACHED_NET_BUFLIST',
      SHORT_PACKET_PADDING: 'SHORT_PKT_PADINFO',
    },
    omitted: ['PACKET_CANCEL_ID', 'MAX_PER_PKT_INFO'],
  },
  hv_kvp_exchg_op: { ours: ic.KvpOperation, prefix: 'KVP_OP_', omitted: ['COUNT'] },
  hv_vss_op: { ours: ic.VssOperation, prefix: 'VSS_OP_', added: ['CLUSTER_INFO'], omitted: ['COUNT'] },
  hv_fcopy_op: {
    ours: ic.FileCopyOperation,
    prefix: '',
    renamed: { START: 'START_FILE_COPY', WRITE: 'WRITE_TO_FILE', COMPLETE: 'COMPLETE_FCOPY', CANCEL: 'CANCEL_FCOPY' },
  },
}
