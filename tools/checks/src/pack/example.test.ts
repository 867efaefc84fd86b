import { expect, it } from 'vitest'
import { firstExample, installedByReadme, toCommonJsSource } from './example.ts'

const readme = 'Text\n\n```sh\nnpm i\n```\n\n```ts\nimport { a } from "b"\nawait a()\n```\n\n```ts\nsecond()\n```\n'

it('finds the first TypeScript block', () => {
  expect(firstExample(readme)).toBe('import { a } from "b"\nawait a()\n')
  expect(firstExample('```sh\nls\n```\n')).toBeUndefined()
})

it('keeps imports on top and wraps what may await', () => {
  expect(toCommonJsSource('import { a } from "b"\n\n// call it\nawait a()\n')).toBe(
    'import { a } from "b"\nasync function main() {\n\n// call it\nawait a()\n}\nvoid main()\n',
  )
})

it('reads what a README says to install', () => {
  const text = 'npm install @bis/a\n\nnpm install --save-dev @bis/b @bis/a # for the example\nSee @bis/c.\n'
  expect(installedByReadme(text)).toEqual(['@bis/a', '@bis/b'])
})
