import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.js'
import { packages } from './stamp.js'

/** Where vitest leaves a package's results, from the package's folder. */
export const REPORT = '.cache/vitest.json'

export function removeReports() {
  for (const folder of packages()) rmSync(join(root, folder, REPORT), { force: true })
}

/** Adds up the results of the last test run; a package with tests that left no result counts as one failure. */
export function sumReports(base = root) {
  const read = (...path) => JSON.parse(readFileSync(join(base, ...path), 'utf8'))
  const sum = { passed: 0, failed: 0, skipped: 0 }
  for (const folder of packages(base)) {
    if (read(folder, 'package.json').scripts?.test === undefined) continue
    if (existsSync(join(base, folder, REPORT))) addReport(sum, read(folder, REPORT))
    else sum.failed++
  }
  return sum
}

/** A run that failed without a failed test (a file that does not load, a stray rejection) counts as one failure. */
function addReport(sum, report) {
  sum.passed += report.numPassedTests
  sum.failed += report.success ? 0 : Math.max(1, report.numFailedTests)
  sum.skipped += report.numPendingTests + report.numTodoTests
}
