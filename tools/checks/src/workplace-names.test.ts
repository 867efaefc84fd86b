import { expect, it } from 'vitest'
import { nameProblems } from './workplace-names.ts'

it.each(['see /home/ann/notes', '"/root/.npmrc"', 'cd /work/bis', 'read shared/design.md'])('finds %s', (line) => {
  expect(nameProblems(`first\n${line}\n`, 'a.md')).toHaveLength(1)
})

it.each(['src/work/x.ts', 'the /home and the /work of it', 'a shared / private page', '~/work/bis'])(
  'accepts %s',
  (line) => {
    expect(nameProblems(line, 'a.md')).toEqual([])
  },
)

it('finds a registry in the lockfile only', () => {
  const text = 'tarball: https://registry.example/a.tgz'
  expect(nameProblems(text, 'pnpm-lock.yaml')).toEqual(['pnpm-lock.yaml:1: names https://registry.example'])
  expect(nameProblems(text, 'README.md')).toEqual([])
})

it('skips binary files', () => {
  expect(nameProblems('\0/home/ann', 'a.bin')).toEqual([])
})
