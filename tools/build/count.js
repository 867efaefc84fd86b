// Prints the result line of CI: `node count.js PASSED FAILED TEST_STATUS` adds the tests to the other steps' counts.
import { sumReports } from './report.js'

const [passed, failed, status] = process.argv.slice(2).map(Number)
const tests = sumReports()
// A test run can fail without a failed test: one that could not start, or a stray rejection.
if (status !== 0 && tests.failed === 0) tests.failed = 1
console.log(`tests: ${tests.passed} passed, ${tests.failed} failed, ${tests.skipped} skipped`)
console.log(`${passed + tests.passed} passed, ${failed + tests.failed} failed`)
process.exitCode = failed + tests.failed === 0 ? 0 : 1
