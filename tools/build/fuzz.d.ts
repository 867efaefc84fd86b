/** Where random tests start: the same numbers each time, unless BIS_FUZZ_SEED says otherwise. */
export const fuzzSeed: number

/** The number of cases of a random test that usually runs `usual` of them; BIS_FUZZ multiplies it. */
export function fuzzRuns(usual: number): number

/** A time limit in milliseconds that grows with the number of cases. */
export function fuzzTimeout(usual: number): number

/** Tells a long run (`npm run fuzz`) how many cases a test has made. */
export function fuzzCases(what: string, count: number): void
