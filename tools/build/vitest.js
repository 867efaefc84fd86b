import { defineConfig } from 'vitest/config'
import { REPORT } from './report.js'

const conditions = ['@bis/source', 'module', 'node', 'development|production']

/** Tests run on the sources of every package of the tree, so no test needs a build. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    environment: 'node',
    testTimeout: 60_000,
    reporters: ['default', 'json'],
    outputFile: { json: REPORT },
    server: { deps: { inline: [/@bis\//] } },
  },
})
