import { readdir, readFile } from 'node:fs/promises'
import { Msr } from '@bis/hyperv-types/hypervisor'
import { Machine } from '@bis/machine'
import { expect, it } from 'vitest'
import { guestOptions, RELEASES, releaseProfile } from '../src/index.ts'

const DRIVERS = ['ata-disengage', 'kvp', 'netvsc', 'storvsc', 'utils', 'vmbus'] as const
const VERSIONS = RELEASES.map((name) => releaseProfile(name).kernel.osReleaseDate.value)
/** `9.3` and `903000`; not the `10.0` of `10.0.20348`. */
const NAME = /(?<![\w.])(?:8\.4|9\.[123]|10\.[01])(?![\w.]*\d)/

it('no driver has the number of a release', async () => {
  const found: string[] = []
  for (const driver of DRIVERS) {
    const folder = new URL(`../../${driver}/src/`, import.meta.url)
    const names = await readdir(folder, { recursive: true })
    for (const name of names.filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))) {
      const text = (await readFile(new URL(name, folder), 'utf8')).replaceAll(/(?<=\d)_(?=\d)/g, '')
      const number = NAME.exec(text)?.[0] ?? VERSIONS.find((version) => text.includes(String(version)))
      if (number !== undefined) found.push(`${driver}/src/${name}: ${number}`)
    }
  }
  expect(found).toEqual([])
})

it.each(RELEASES)('the hypervisor is told the version of %s', async (release) => {
  const profile = releaseProfile(release)
  await using machine = await Machine.powerOn(guestOptions(profile))
  const version = profile.kernel.osReleaseDate.value
  expect(machine.kernel.sysctl.get('kern.osreldate')).toBe(version)
  expect((machine.partition.readMsr(0, Msr.GUEST_OS_ID) >> 16n) & 0xffff_ffffn).toBe(BigInt(version))
})
