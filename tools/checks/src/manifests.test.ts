import { describe, expect, it } from 'vitest'
import { manifestProblems } from './manifests.ts'
import type { Manifest } from './workspace.ts'

const good: Manifest = {
  name: '@bis/thing',
  version: '0.0.0',
  description: 'a thing',
  license: 'BSD-2-Clause',
  type: 'module',
  files: ['dist', 'src'],
  engines: { node: '>=20.19' },
  repository: { directory: 'packages/thing' },
  exports: {
    '.': {
      '@bis/source': './src/index.ts',
      import: { types: './dist/index.d.ts', default: './dist/index.js' },
      require: { types: './dist/index.d.cts', default: './dist/index.cjs' },
    },
    './package.json': './package.json',
  },
  scripts: { build: 'tsup' },
  dependencies: { '@bis/hyperv-types': 'workspace:^' },
}

describe('manifestProblems', () => {
  it('finds nothing in a complete manifest', () => {
    expect(manifestProblems(good, 'packages/thing')).toEqual([])
  })

  it.each([
    ['license', { license: 'MIT' }, /license/],
    ['engines', { engines: { node: '>=18' } }, /engines/],
    ['files', { files: ['src'] }, /files/],
    ['a pinned sibling', { dependencies: { '@bis/hyperv-types': '0.1.0' } }, /workspace/],
    ['types of require', { exports: { '.': { '@bis/source': './src/index.ts', import: good.exports } } }, /lacks/],
    ['the source condition', { exports: { './x': { import: {}, require: {} } } }, /@bis\/source/],
  ])('names what is wrong with %s', (_what, change, problem) => {
    expect(manifestProblems({ ...good, ...change }, 'packages/thing').join('\n')).toMatch(problem)
  })

  it('wants the folder of the repository', () => {
    expect(manifestProblems(good, 'packages/other')).toEqual(['repository.directory is not "packages/other"'])
  })
})
