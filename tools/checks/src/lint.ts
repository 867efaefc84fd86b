import type { Check } from './checks.ts'

/**
 * Runs checks one after the other and prints a section for each.
 * @returns the exit status
 */
export async function lint(checks: readonly Check[]): Promise<number> {
  let failed = 0
  for (const check of checks) {
    const start = performance.now()
    const problems = await findProblems(check)
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${check.name.padEnd(10)} ${seconds.padStart(5)} s`)
    for (const problem of problems) console.log(indent(problem))
    if (problems.length > 0) failed++
  }
  console.log(`lint: ${checks.length - failed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

/** A check that breaks has found something too, and the ones after it still run. */
async function findProblems(check: Check): Promise<readonly string[]> {
  try {
    return await check.run()
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)]
  }
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '       ')
}
