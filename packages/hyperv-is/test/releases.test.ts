import { expect, it } from 'vitest'
import { factTable, RELEASE_PROFILES, RELEASES } from '../src/index.ts'

const HEADER = `# What is known of each release

Written from \`RELEASE_PROFILES\` by test/releases.test.ts; \`vitest -u\` writes it again.

`

it('RELEASES.md tells every fact with its source, and is up to date', async () => {
  const profiles = RELEASES.map((name) => RELEASE_PROFILES[name])
  await expect(HEADER + factTable(profiles)).toMatchFileSnapshot('../RELEASES.md')
})
