import { expect, it } from 'vitest'
import { readmeProblems, tableProblems } from './readmes.ts'

const library = { name: '@bis/thing', version: '0.0.0', exports: { '.': {} } }
const good = '# @bis/thing\n\nnpm install @bis/thing\n\n```ts\nf()\n```\n\n## API\n\n## Limits\n\n## Sources\n'

it('accepts a README with all its parts', () => {
  expect(readmeProblems(good, library)).toEqual([])
})

it('names each part that is missing', () => {
  expect(readmeProblems('# thing\n', library)).toHaveLength(6)
})

it('asks a command for no API', () => {
  const text = '# @bis/thing\n\nnpm install @bis/thing\n\n## Limits\n'
  expect(readmeProblems(text, { name: '@bis/thing', version: '0.0.0', bin: {} })).toEqual([])
})

it('limits the length', () => {
  expect(readmeProblems(good + '\n'.repeat(100), library)).toEqual(['is longer than 100 lines'])
})

it('compares the table of packages with the workspace', () => {
  const packages = [{ folder: 'packages/thing', path: '', manifest: library }]
  expect(tableProblems('| [@bis/thing](packages/thing) | x |', packages)).toEqual([])
  expect(tableProblems('| [@bis/other](packages/other) | x |', packages)).toHaveLength(2)
})
