import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'
import { writeTypes } from './types.js'

/**
 * The build of a package: one entry for each export path whose `@bis/source` condition names a file,
 * as ESM and CommonJS with types for both.
 */
export function library(options = {}) {
  const sources = Object.values(readManifest().exports)
    .map((target) => target?.['@bis/source'])
    .filter((source) => source !== undefined)
  return defineConfig({
    entry: entries(sources),
    format: ['esm', 'cjs'],
    target: 'node20',
    platform: 'neutral',
    onSuccess: async () => writeTypes(sources),
    sourcemap: true,
    clean: true,
    splitting: true,
    treeshake: true,
    external: [/^node:/],
    ...options,
  })
}

/** The build of a command: an ES module for each file that `bin` names, for Node.js. */
export function program(options = {}) {
  const sources = Object.values(readManifest().bin).map((built) =>
    built.replace('/dist/', '/src/').replace(/js$/, 'ts'),
  )
  return defineConfig({
    entry: entries(sources),
    format: ['esm'],
    target: 'node20',
    platform: 'node',
    sourcemap: true,
    clean: true,
    splitting: true,
    treeshake: true,
    ...options,
  })
}

function readManifest() {
  return JSON.parse(readFileSync('package.json', 'utf8'))
}

/** Builds ./src/a/b.ts to dist/a/b. */
function entries(sources) {
  return Object.fromEntries(sources.map((source) => [source.replace(/^\.\/src\//, '').replace(/\.ts$/, ''), source]))
}
