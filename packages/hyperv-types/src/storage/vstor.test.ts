import { describe, expect, it } from 'vitest'
import {
  describeNtStatus,
  describeSrbStatus,
  formatVstorVersion,
  senseBytes,
  srb,
  srbBytes,
  VSTOR_CDB_OFFSET,
  VSTOR_SRB_OFFSET,
  VSTOR_VERSIONS,
  VstorOperation,
  vstorPacket,
  vstorPacketBytes,
} from './index.ts'

describe('VSTOR', () => {
  it('sizes by version', () => {
    expect(VSTOR_VERSIONS.map((v) => [formatVstorVersion(v), srbBytes(v), vstorPacketBytes(v), senseBytes(v)])).toEqual(
      [
        ['6.2', 52, 64, 20],
        ['6.0', 52, 64, 20],
        ['5.1', 52, 64, 20],
        ['4.2', 36, 48, 18],
        ['2.0', 36, 48, 18],
      ],
    )
  })

  it('puts the SRB at 12 and the CDB at 28', () => {
    expect(VSTOR_SRB_OFFSET).toBe(12)
    expect(VSTOR_CDB_OFFSET).toBe(28)
    expect(vstorPacket.u.as.vm_srb.data_transfer_length.offset).toBe(12 + srb.data_transfer_length.offset)
  })

  it('overlays CDB and sense', () => {
    const cdb = Uint8Array.from({ length: 16 }, (_, i) => i + 1)
    const request = {
      length: 52,
      srb_status: 0,
      scsi_status: 0,
      port_number: 0,
      path_id: 0,
      target_id: 0,
      lun: 3,
      cdb_length: 10,
      sense_info_length: 20,
      data_in: 1,
      data_transfer_length: 4096,
      u: { cdb },
      queue_tag: 0xff,
      queue_action: 0,
      srb_flags: 0x48,
      time_out_value: 60,
      queue_sort_key: 0,
    }
    const packet = vstorPacket.encode({
      operation: VstorOperation.EXECUTE_SRB,
      flags: 1,
      status: 0,
      u: { vm_srb: request },
    })
    expect(packet.length).toBe(64)
    const { u } = vstorPacket.decode(packet)
    expect(u.vm_srb.u.sense_data.subarray(0, 16)).toEqual(cdb)
    expect(u.vm_srb.lun).toBe(3)
    expect(packet[12 + 7]).toBe(3)
  })

  it('names statuses', () => {
    expect(describeSrbStatus(0x84)).toBe('ERROR, autosense (0x84)')
    expect(describeNtStatus(0xc0000059)).toBe('REVISION_MISMATCH (0xc0000059)')
  })
})
