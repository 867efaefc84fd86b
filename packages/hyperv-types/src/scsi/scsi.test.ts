import { describe, expect, it } from 'vitest'
import {
  CDB6_LBA_MASK,
  cachingPage,
  cdb6,
  cdb10,
  cdb16,
  cdbLength,
  describeOpcode,
  describeSense,
  encodeSense,
  hypervDeviceIdentification,
  inquiryCdb,
  inquiryData,
  readCapacity16,
  reportLuns,
  reportLunsCdb,
  ScsiOpcode,
  Sense,
  serviceActionIn16Cdb,
  unmapCdb,
  unmapParameterList,
  vpdBlockLimits,
} from './index.ts'

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/\s/g, '').match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}

describe('CDBs', () => {
  it('READ(10) of 8 blocks at 0x12345678', () => {
    const cdb = cdb10.encode({
      opcode: ScsiOpcode.READ_10,
      flags: 0,
      lba: 0x12345678,
      group: 0,
      transfer_length: 8,
      control: 0,
    })
    expect(cdb).toEqual(hex('28 00 12 34 56 78 00 00 08 00'))
  })

  it('WRITE(16) beyond 2^32 with FUA', () => {
    const cdb = cdb16.encode({
      opcode: ScsiOpcode.WRITE_16,
      flags: 8,
      lba: 0x1_0000_0002,
      transfer_length: 0x10000,
      group: 0,
      control: 0,
    })
    expect(cdb).toEqual(hex('8a 08 00 00 00 01 00 00 00 02 00 01 00 00 00 00'))
  })

  it('READ(6) keeps 21 bits of address', () => {
    const view = new DataView(hex('08 ff ff ff 00 00').buffer)
    expect(cdb6.lba.get(view, 0) & CDB6_LBA_MASK).toBe(0x1fffff)
  })

  it('place the allocation length where the standard does', () => {
    expect(inquiryCdb.allocation_length.offset).toBe(3)
    expect(reportLunsCdb.allocation_length.offset).toBe(6)
    expect(serviceActionIn16Cdb.allocation_length.offset).toBe(10)
    expect(unmapCdb.parameter_list_length.offset).toBe(7)
  })

  it('know their length and name', () => {
    expect([0x12, 0x28, 0x42, 0x88, 0xa0, 0x7f].map(cdbLength)).toEqual([6, 10, 10, 16, 12, undefined])
    expect(describeOpcode(0x28)).toBe('READ(10)')
    expect(describeOpcode(0x35)).toBe('SYNCHRONIZE CACHE(10)')
    expect(describeOpcode(0xff)).toBe('command 0xff')
  })
})

describe('data', () => {
  it('standard INQUIRY data of a Hyper-V disk', () => {
    const data = inquiryData.encode({
      peripheral: 0,
      removable: 0,
      version: 5,
      response_data_format: 2,
      additional_length: 99,
      flags5: 0,
      flags6: 0,
      flags7: 2,
      vendor: 'Msft',
      product: 'Virtual Disk',
      revision: '1.0',
    })
    expect(data.subarray(0, 8)).toEqual(hex('00 00 05 02 63 00 00 02'))
    expect(String.fromCharCode(...data.subarray(8))).toBe('Msft    Virtual Disk    1.0 ')
    expect(inquiryData.decode(data).product).toBe('Virtual Disk')
  })

  it('capacity, LUN list, UNMAP list', () => {
    expect(
      readCapacity16
        .encode({ last_lba: 2 ** 33, block_length: 512, protection: 0, exponents: 3, provisioning: 0x8000 })
        .subarray(0, 16),
    ).toEqual(hex('00 00 00 02 00 00 00 00 00 00 02 00 00 03 80 00'))
    const luns = reportLuns.encode({ lun_list_length: 16, luns: [{ lun: 0 }, { lun: 5 }] })
    expect(luns).toEqual(hex('00000010 00000000 0000000000000000 0005000000000000'))
    expect(reportLuns.decode(luns, 0, luns.length).luns).toEqual([{ lun: 0 }, { lun: 5 }])
    const unmap = { data_length: 22, block_descriptor_data_length: 16, descriptors: [{ lba: 2 ** 40, count: 7 }] }
    const list = unmapParameterList.encode(unmap)
    expect(list).toEqual(hex('0016 0010 00000000 0000010000000000 00000007 00000000'))
    expect(unmapParameterList.decode(list, 0, list.length)).toEqual(unmap)
  })

  it('pages have their fields where the standard lists them', () => {
    expect(vpdBlockLimits.maximum_unmap_lba_count.offset).toBe(20)
    expect(vpdBlockLimits.unmap_granularity_alignment.offset).toBe(32)
    expect(vpdBlockLimits.maximum_write_same_length.offset).toBe(36)
    expect(hypervDeviceIdentification.naa_designator.offset).toBe(32)
    expect(cachingPage.flags.offset).toBe(2)
  })

  it('sense', () => {
    expect(encodeSense(Sense.CAPACITY_DATA_HAS_CHANGED)).toEqual(hex('70 00 06 00000000 0a 00000000 2a 09 00 00 0000'))
    expect(describeSense(6, 0x2a, 9)).toBe('unit attention 2a/09 (capacity data has changed)')
    expect(describeSense(5, 0x99, 1)).toBe('illegal request 99/01')
  })
})
