import { expect, it } from 'vitest'
import { REPORT, sumReports } from '../report.js'
import { repository } from './fixture.js'

const report = (change = {}) =>
  JSON.stringify({
    success: true,
    numPassedTests: 3,
    numFailedTests: 0,
    numPendingTests: 1,
    numTodoTests: 0,
    ...change,
  })

it('adds the reports of all packages with tests', () => {
  using repo = repository()
  repo.write(`packages/a/${REPORT}`, report())
  repo.write('packages/b/package.json', '{ "scripts": { "test": "vitest run" } }')
  repo.write(`packages/b/${REPORT}`, report({ success: false, numFailedTests: 2 }))
  repo.write('packages/without/package.json', '{}')
  expect(sumReports(repo.base)).toEqual({ passed: 6, failed: 2, skipped: 2 })
})

it('counts a run that failed without a failed test as one', () => {
  using repo = repository()
  repo.write(`packages/a/${REPORT}`, report({ success: false }))
  expect(sumReports(repo.base)).toEqual({ passed: 3, failed: 1, skipped: 1 })
})

it('counts a missing report as one failure', () => {
  using repo = repository()
  expect(sumReports(repo.base)).toEqual({ passed: 0, failed: 1, skipped: 0 })
})
