import { formatVmbusVersion, VmbusVersion } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import { parseVersion, versionsToTry } from './versions.ts'

describe('versions', () => {
  it('are tried from the newest down, within the limits', () => {
    const all = versionsToTry({}).map(formatVmbusVersion)
    expect(all).toEqual(['6.0', '5.3', '5.2', '5.1', '5.0', '4.1', '4.0', '3.0', '2.4', '1.1', '0.13'])
    const some = versionsToTry({ max: VmbusVersion.V3_0, min: VmbusVersion.V2_4 })
    expect(some.map(formatVmbusVersion)).toEqual(['3.0', '2.4'])
    expect(versionsToTry({ max: 5 })).toEqual([])
  })

  it('are read from a tunable in either notation', () => {
    expect(parseVersion('5.3')).toBe(VmbusVersion.V5_3)
    expect(parseVersion(' 0.13')).toBe(13)
    expect(parseVersion('0x40000')).toBe(VmbusVersion.V4_0)
    expect(parseVersion('262144')).toBe(VmbusVersion.V4_0)
    for (const text of ['', 'new', '-1', '4.', '0']) expect(parseVersion(text)).toBeUndefined()
  })
})
