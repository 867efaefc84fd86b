/** Volume snapshots. Sources: include/uapi/linux/hyperv.h, FreeBSD hv_snapshot.h, Mile.HyperV headers. */
import { array, guid, layout, reserved, u8, u32, u64 } from '../struct/index.ts'

export const VssOperation = {
  CREATE: 0,
  DELETE: 1,
  HOT_BACKUP: 2,
  GET_DM_INFO: 3,
  BU_COMPLETE: 4,
  FREEZE: 5,
  THAW: 6,
  AUTO_RECOVER: 7,
  CLUSTER_INFO: 8,
} as const

/** First bytes of the body. */
export const vssHeader = layout('hv_vss_hdr', { operation: u8, reserved: reserved(7) }, { size: 8 })

/** Behind the header of HOT_BACKUP, BU_COMPLETE and THAW. */
export const vssCheckFeature = layout('hv_vss_check_feature', { flags: u32 }, { size: 4 })
/** Behind the header of GET_DM_INFO. */
export const vssCheckDmInfo = layout('hv_vss_check_dm_info', { flags: u32 }, { size: 4 })
/** `flags` of a guest's answer to HOT_BACKUP: backups work, without automatic recovery. */
export const VSS_HBU_NO_AUTO_RECOVERY = 5

/** Behind the header of CREATE (with `backup_type` from version 2 on) and DELETE. */
export const vssSnapshotSet = layout('vss_snapshot_set', { snapshot_set_id: guid, backup_type: u32 }, { size: 20 })

export const vssLunInfo = layout(
  'vss_lun_info',
  {
    bus_type: u8,
    pad: reserved(3),
    controller: guid,
    port: u8,
    target: u8,
    lun: u8,
    reserved: reserved(1),
  },
  { size: 24 },
)
export const VssBusType = { INVALID: 0, SCSI: 1, IDE: 2 } as const
export const VSS_MAX_LUNS = 260

/** Behind the header of FREEZE. */
export const vssFreeze = layout(
  'vss_freeze',
  { backup_type: u32, flags: u32, lun_count: u32, luns: array(vssLunInfo, VSS_MAX_LUNS) },
  { size: 6252 },
)
export const VssFreezeFlag = { AUTO_RECOVERY: 1, SHARED_LUNS: 2 } as const

/** Behind the header of AUTO_RECOVER. */
export const vssAutoRecover = layout(
  'vss_auto_recover',
  { freeze: vssFreeze, shadow_luns: array(vssLunInfo, VSS_MAX_LUNS) },
  { size: 12_492 },
)

/** Behind the header of CLUSTER_INFO. */
export const vssClusterInfo = layout(
  'vss_cluster_info',
  {
    cluster_id: guid,
    cluster_size: u32,
    lun_count: u32,
    luns: array(vssLunInfo, VSS_MAX_LUNS),
    lun_status: array(u32, VSS_MAX_LUNS),
    last_move_time: u64,
  },
  { size: 7312 },
)

/** Versions, major << 16 | minor. */
export const VSS_4_0 = 0x0004_0000
export const VSS_5_0 = 0x0005_0000
export const VSS_6_0 = 0x0006_0000
export const VSS_7_0 = 0x0007_0000
