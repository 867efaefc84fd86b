import { describe, expect, it } from 'vitest'
import { formatIp, isIpv6, parseIp } from './ip-address.ts'

describe('IP addresses', () => {
  it.each([
    ['192.0.2.5', '192.0.2.5'],
    ['2001:0db8:0:0:0:0:0:5', '2001:db8::5'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['10:0:0:a::', '10:0:0:a::'],
    ['::', '::'],
    ['::1', '::1'],
    ['FE80::', 'fe80::'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ])('%s is written %s, as RFC 5952 has it', (text, wanted) => {
    const bytes = parseIp(text)
    expect(bytes === undefined ? undefined : formatIp(bytes)).toBe(wanted)
  })

  it('any bytes come back from their text', () => {
    for (let pattern = 0; pattern < 256; pattern++) {
      const bytes = Uint8Array.from({ length: 16 }, (_, i) => ((pattern >> (i >> 1)) & 1) * (i & 1 ? pattern : 0))
      const text = formatIp(bytes)
      expect([isIpv6(text), parseIp(text)]).toEqual([true, bytes])
    }
  })

  it('what is none has no bytes', () => {
    for (const text of ['', '1.2.3', '256.1.1.1', ':::', '1::2::3', 'fe80::1%eth0'])
      expect(parseIp(text)).toBeUndefined()
  })
})
