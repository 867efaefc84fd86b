import { describe, expect, it } from 'vitest'
import { readInquiry } from './inquiry.ts'

function inquiry(head: readonly number[], vendor = 'Msft    ', product = 'Virtual Disk    '): Uint8Array {
  const data = new Uint8Array(36)
  data.set(head)
  data.set(new TextEncoder().encode(`${vendor}${product}1.0 `), 8)
  return data
}

describe('[ST-17] INQUIRY data of each generation of hosts', () => {
  it.each([
    ['2008 R2 disk', [0, 0, 4, 2, 0x1f, 0, 0, 2], 0x0402, 4],
    ['2012 disk', [0, 0, 4, 2, 0x1f, 0, 0, 2], 0x0501, 5],
    ['2012 R2 disk', [0, 0, 4, 2, 0x1f, 0, 0, 2], 0x0600, 5],
    ['2016 disk', [0, 0, 5, 2, 0x1f, 0, 0, 2], 0x0602, 5],
    ['generation 2 DVD', [5, 0x80, 0, 2, 0x1f, 0, 0, 0], 0x0602, 5],
    ['SPC-2 from a host that should know better', [0, 0, 4, 2, 0x1f, 0, 0, 2], 0x0602, 4],
  ])('%s', (_name, head, vstor, version) => {
    const facts = readInquiry(inquiry(head), 36, vstor)
    expect(facts).toMatchObject({ present: true, version, vendor: 'Msft', product: 'Virtual Disk', revision: '1.0' })
  })

  it('of a foreign disk is not put right', () => {
    expect(readInquiry(inquiry([0, 0, 4, 2, 31, 0, 0, 2], 'NETAPP  '), 36, 0x0600).version).toBe(4)
  })

  it.each([
    ['an absent LUN', [0x7f, 0, 5, 2, 99], 36],
    ['an absent LUN of 2012', [0x7f, 0, 0, 0, 0], 36],
    ['a qualifier that says not connected', [0x20, 0, 5, 2, 31], 36],
    ['device type 1Fh', [0x1f, 0, 5, 2, 31], 36],
    ['too few bytes', [0, 0, 5, 2, 31], 35],
    ['no bytes', [0, 0, 5, 2, 31], 0],
  ])('%s is no device', (_name, head, length) => {
    expect(readInquiry(inquiry(head), length, 0x0602).present).toBe(false)
  })
})
