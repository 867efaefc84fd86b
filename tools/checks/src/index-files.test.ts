import { expect, it } from 'vitest'
import { indexProblems } from './index-files.ts'

it('accepts re-exports and comments', () => {
  expect(
    indexProblems("/** Doc. */\nexport * from './a.ts'\nexport type { B } from './b.ts'\nexport {}\n", 'x'),
  ).toEqual([])
})

it('names the line of anything else', () => {
  const source = "export * from './a.ts'\n\nexport const a = 1\nimport './b.ts'\n"
  expect(indexProblems(source, 'src/index.ts')).toEqual([
    'src/index.ts:3: not a re-export: export const a = 1',
    "src/index.ts:4: not a re-export: import './b.ts'",
  ])
})
