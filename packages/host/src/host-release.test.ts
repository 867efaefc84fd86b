import { describe, expect, it } from 'vitest'
import { HOST_RELEASES, hostRelease } from './host-release.ts'

describe('hostRelease', () => {
  it('only ever adds VMBus, VSTOR and NVSP versions from one release to the next', () => {
    const releases = HOST_RELEASES.map(hostRelease)
    for (const [index, release] of releases.entries()) {
      const older = releases[index - 1]
      if (older === undefined) continue
      expect(release.vmbusVersion).toBeGreaterThan(older.vmbusVersion)
      expect(release.vstorVersions).toEqual(expect.arrayContaining([...older.vstorVersions]))
      expect(release.nvspVersions).toEqual(expect.arrayContaining([...older.nvspVersions]))
    }
  })

  it('lists versions newest first', () => {
    for (const { vstorVersions, nvspVersions } of HOST_RELEASES.map(hostRelease)) {
      expect(vstorVersions).toEqual([...vstorVersions].sort((a, b) => b - a))
      expect(nvspVersions).toEqual([...nvspVersions].sort((a, b) => b - a))
    }
  })
})
