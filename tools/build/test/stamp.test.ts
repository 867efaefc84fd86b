import { expect, it } from 'vitest'
import { fingerprintSources, packages } from '../stamp.js'
import { repository } from './fixture.js'

it.each(['pnpm-lock.yaml', 'packages/a/src/deep/file.ts', 'packages/a/tsup.config.ts', 'tools/b/package.json'])(
  'sees a new %s, and its change',
  (path) => {
    using repo = repository()
    const before = fingerprintSources(repo.base)
    repo.write(path, 'one')
    const with1 = fingerprintSources(repo.base)
    repo.write(path, 'other')
    expect(new Set([before, with1, fingerprintSources(repo.base)]).size).toBe(3)
  },
)

it.each([
  'README.md',
  'packages/a/README.md',
  'packages/a/src/file.test.ts',
  'packages/a/test/helper.ts',
  'packages/a/dist/index.js',
  'packages/a/node_modules/x/index.js',
  'packages/a/.cache/vitest.json',
  'packages/left-over/notes.ts',
])('does not care about %s', (path) => {
  using repo = repository()
  const before = fingerprintSources(repo.base)
  repo.write(path, 'one')
  expect(fingerprintSources(repo.base)).toBe(before)
})

it('takes only folders with a package.json as packages', () => {
  using repo = repository()
  repo.write('packages/left-over/notes.ts', '')
  repo.write('tools/b/package.json', '{}')
  expect(packages(repo.base)).toEqual(['packages/a', 'tools/b'])
})
