import { expect, it } from 'vitest'
import { chooseHeader, decodeHeader, encodeHeader } from './header.ts'

const MIB = 2 ** 20
const header = {
  sequence: 1,
  fileWriteGuid: new Uint8Array(16),
  dataWriteGuid: new Uint8Array(16),
  logGuid: new Uint8Array(16),
  logVersion: 0,
  version: 1,
  logLength: MIB,
  logOffset: MIB,
}
const damaged = new Uint8Array(4096)

it('has the checksum of a known header', () => {
  const bytes = encodeHeader(header)
  expect(new DataView(bytes.buffer).getUint32(4, true)).toBe(0xf1fd4713)
  expect(decodeHeader(bytes)).toEqual(header)
})

it('counts the one with the greater number', () => {
  const [one, two] = [encodeHeader(header), encodeHeader({ ...header, sequence: 2 })]
  expect(chooseHeader([one, two])).toMatchObject({ slot: 1, header: { sequence: 2 } })
  expect(chooseHeader([two, one])).toMatchObject({ slot: 0, header: { sequence: 2 } })
  expect(chooseHeader([one, damaged])).toMatchObject({ slot: 0 })
  expect(chooseHeader([damaged, one])).toMatchObject({ slot: 1 })
})

it('accepts equal numbers only of equal headers', () => {
  const other = encodeHeader({ ...header, dataWriteGuid: new Uint8Array(16).fill(1) })
  expect(chooseHeader([encodeHeader(header), encodeHeader(header)])).toMatchObject({ slot: 0 })
  expect(() => chooseHeader([encodeHeader(header), other])).toThrow(expect.objectContaining({ code: 'corrupt' }))
})

it('refuses when both are damaged, and what it does not know', () => {
  expect(() => chooseHeader([damaged, damaged])).toThrow(expect.objectContaining({ code: 'bad-checksum' }))
  const version = encodeHeader({ ...header, version: 2 })
  expect(() => chooseHeader([version, damaged])).toThrow(expect.objectContaining({ code: 'unsupported' }))
  const log = encodeHeader({ ...header, logVersion: 1, logGuid: new Uint8Array(16).fill(1) })
  expect(() => chooseHeader([log, damaged])).toThrow(expect.objectContaining({ code: 'unsupported' }))
  expect(chooseHeader([encodeHeader({ ...header, logVersion: 1 }), damaged])).toMatchObject({ slot: 0 })
})
