import { readFile } from 'node:fs/promises'
import { HOST_RELEASES } from '@bis/host'
import { RELEASES } from '@bis/hyperv-is'
import { describe, expect, it } from 'vitest'
import type { Cell } from '../src/index.ts'
import { FEATURES, markdownTable, runFeatures, textTable } from '../src/index.ts'

/** Every release on the newest host and every host under head; all pairs with `BIS_FEATURES=all`. */
async function run(): Promise<readonly Cell[]> {
  if (process.env['BIS_FEATURES'] === 'all') return runFeatures()
  const releases = await runFeatures({ hosts: ['2025'] })
  const hosts = await runFeatures({ releases: ['head'], hosts: HOST_RELEASES.filter((host) => host !== '2025') })
  return [...releases, ...hosts]
}

/** The first Hyper-V release that offers each, written out apart from the table under test. */
const OFFERED_FROM = {
  '2008r2':
    'core signal-opt scatter-gather jumbo vlan live-migration tcp-offload video kvp pae ata-disengage ports-8.4-9.x modules kvp-daemon',
  '2012': 'static-ip sr-iov virtual-fc trim hot-add-memory ballooning easy-start azure-image',
  '2012r2': 'multichannel storage-subchannel vrss vhdx-resize live-backup mmio-gap nmi file-copy gen2 uefi',
  '2016': 'nic-hotplug secure-boot',
}

describe('the feature table', () => {
  it('offers each row from the Hyper-V release on that brought it', () => {
    const said = FEATURES.map(({ id, hostFrom }) => `${id} ${hostFrom}`)
    const known = Object.entries(OFFERED_FROM).flatMap(([host, ids]) => ids.split(' ').map((id) => `${id} ${host}`))
    expect(said.sort()).toEqual(known.sort())
  })

  it('has no failing cell, evidence in each, and stands in the README as it is', async () => {
    const cells = await run()
    const failed = cells.filter(({ state }) => state === 'fails')
    expect(failed.map(({ feature, release, host, reason }) => `${feature} ${release} ${host}: ${reason}`)).toEqual([])
    const proved = cells.filter(({ state }) => state === 'works' || state === 'not offered')
    expect(proved.filter(({ did = '', saw = '' }) => did === '' || saw === '')).toEqual([])
    const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8')
    const table = /<!-- features -->\n\n([\s\S]*?)\n\n<!-- \/features -->/.exec(readme)?.[1]
    expect(table, 'out of date; npm run -s bis -- features --markdown prints the new one').toBe(markdownTable(cells))
  }, 600_000)

  it('has a row for each feature of the slides, and columns for their releases', () => {
    expect(FEATURES).toHaveLength(34)
    expect(new Set(FEATURES.map(({ id }) => id)).size).toBe(34)
    expect(RELEASES).toEqual(['8.4', '9.1', '9.2', '9.3', '10.0', '10.1', 'head'])
  })

  const cell = (feature: string, release: Cell['release'], state: Cell['state'], host: Cell['host'] = '2025'): Cell => {
    return { feature, release, host, state, milliseconds: 0 }
  }

  it("prints the slides' tables: their headings, columns and releases of Hyper-V", () => {
    const chosen = FEATURES.filter(({ id }) => ['core', 'vrss', 'kvp', 'video'].includes(id))
    const cells = RELEASES.flatMap((release) => [
      cell('core', release, 'works'),
      cell('vrss', release, release === '9.2' ? 'fails' : 'works'),
      cell('vrss', release, 'not offered', '2012'),
      cell('video', release, 'not built yet'),
      cell('kvp', release, 'not offered'),
    ])
    expect(
      textTable(cells, chosen)
        .split('\n')
        .map((line) => line.trimEnd()),
    ).toEqual([
      'Feature                   Hyper-V   10.x & Head    10                     9.1~9.3                     8.4',
      '  Availability                      Built in       Built in (KVP: ports)  Ports                       Ports',
      '',
      'Core',
      '  Core                    2008 R2+  ✓              ✓                      ✓                           ✓',
      '',
      'Networking',
      '  vRSS                    2012 R2+  ✓              ✓                      9.1: ✓, 9.2: FAILS, 9.3: ✓  ✓',
      '',
      'Video',
      '  Hyper-V-specific video  2008 R2+  not built yet  not built yet          not built yet               not built yet',
      '',
      'Miscellaneous',
      '  Key-Value Pair          2008 R2+  not offered    not offered            not offered                 not offered',
    ])
  })

  it('names a release by itself when its column was not run whole', () => {
    const cells = [cell('trim', '9.3', 'works'), cell('trim', 'head', 'works')]
    const [top, available] = textTable(cells, []).split('\n')
    expect([top?.split(/ {2,}/), available?.trim().split(/ {2,}/)]).toEqual([
      ['Feature', 'Hyper-V', 'head', '9.3'],
      ['Availability', 'Built in', 'Ports'],
    ])
    expect(
      markdownTable(
        cells,
        FEATURES.filter(({ id }) => id === 'trim'),
      ).split('\n'),
    ).toEqual([
      '| Feature | Hyper-V | head | 9.3 |',
      '| --- | --- | --- | --- |',
      '| Availability | | Built in | Ports |',
      '| **Storage** | | | |',
      '| TRIM support | 2012+ | ✓ | ✓ |',
    ])
  })
})
