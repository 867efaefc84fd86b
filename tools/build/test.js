// `npm test`: install, build, and run every package's tests.
import { removeReports } from './report.js'
import { pnpm } from './run.js'
import { setUp } from './set-up.js'

removeReports()
await setUp()
console.log('\n== Testing packages')
process.exitCode = await pnpm([
  'exec',
  'turbo',
  'run',
  'test',
  '--only',
  '--concurrency=2',
  '--continue',
  ...process.argv.slice(2),
])
