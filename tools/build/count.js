// Prints the result line of CI: `node count.js PASSED FAILED` adds the tests' results to the steps' counts.
import { sumReports } from './report.js'

const [passed, failed] = process.argv.slice(2).map(Number)
const tests = sumReports()
console.log(`tests: ${tests.passed} passed, ${tests.failed} failed, ${tests.skipped} skipped`)
console.log(`${passed + tests.passed} passed, ${failed + tests.failed} failed`)
process.exitCode = failed + tests.failed === 0 ? 0 : 1
