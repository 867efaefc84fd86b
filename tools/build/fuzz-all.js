// `npm run -s fuzz`: every random test of ring, control messages and sockets, for longer; prints the cases made by each.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pnpm } from './run.js'
import { setUp } from './set-up.js'

const TARGETS = [
  ['packages/hyperv-types', 'test/fuzz'],
  ['packages/vmbus', 'test/fuzz'],
  ['packages/host', 'test/fuzz/control.fuzz.test.ts', 'test/socket/server.test.ts'],
  ['packages/partition', 'test/fuzz'],
]

await setUp({ quiet: true })
process.env.BIS_FUZZ ??= '10'
const directory = mkdtempSync(join(tmpdir(), 'fuzz-'))
const report = join(directory, 'cases')
writeFileSync(report, '')
process.env.BIS_FUZZ_REPORT = report
const begin = performance.now()
try {
  for (const [folder, ...tests] of TARGETS) {
    const status = await pnpm(['--dir', folder, 'exec', 'vitest', 'run', ...tests])
    if (status !== 0) process.exitCode = 1
  }
  const lines = readFileSync(report, 'utf8').trim().split('\n')
  const total = lines.reduce((sum, line) => sum + Number.parseInt(line, 10), 0)
  console.log(`\n== Cases, BIS_FUZZ=${process.env.BIS_FUZZ}\n${lines.join('\n')}`)
  console.log(`${total} in all, ${Math.round((performance.now() - begin) / 1000)} s`)
} finally {
  rmSync(directory, { recursive: true })
}
