import { appendFileSync } from 'node:fs'

/** How much longer than usual random tests run: BIS_FUZZ=50 makes fifty times as many cases. */
const FACTOR = positive('BIS_FUZZ', 1)

/** Where random tests start: the same numbers each time, unless BIS_FUZZ_SEED says otherwise. */
export const fuzzSeed = positive('BIS_FUZZ_SEED', 20260101)

/** The number of cases of a random test that usually runs `usual` of them. */
export function fuzzRuns(usual) {
  return Math.ceil(usual * FACTOR)
}

/** A time limit that grows with the number of cases, in milliseconds. */
export function fuzzTimeout(usual) {
  return Math.ceil(usual * Math.max(1, FACTOR))
}

/** Tells a long run how many cases a test has made. */
export function fuzzCases(what, count) {
  const report = process.env.BIS_FUZZ_REPORT
  if (report !== undefined) appendFileSync(report, `${count} ${what}\n`)
}

function positive(name, usual) {
  const text = process.env[name]
  if (text === undefined) return usual
  const value = Number(text)
  if (!(value > 0)) throw new RangeError(`${name} is "${text}", not a positive number`)
  return value
}
