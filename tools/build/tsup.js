import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

/**
 * The build of a package: one entry for each export path whose `@bis/source` condition names a file,
 * as ESM and CommonJS with types for both.
 */
export function library(options = {}) {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
  const entry = {}
  for (const target of Object.values(manifest.exports)) {
    const source = target?.['@bis/source']
    if (source === undefined) continue
    entry[source.replace(/^\.\/src\//, '').replace(/\.ts$/, '')] = source
  }
  return defineConfig({
    entry,
    format: ['esm', 'cjs'],
    target: 'node20',
    platform: 'neutral',
    dts: true,
    sourcemap: true,
    clean: true,
    splitting: true,
    treeshake: true,
    external: [/^node:/],
    ...options,
  })
}
