import type { Clock, Timer } from '../interfaces/clock.ts'

// What Node.js and browsers both have; declared here because this package is compiled without platform types.
declare const performance: { now(): number; readonly timeOrigin: number }
declare function setTimeout(task: () => void, milliseconds: number): unknown
declare function clearTimeout(timer: unknown): void
declare const setImmediate: ((task: () => void) => unknown) | undefined

/** Longest delay that setTimeout takes; longer ones are reached in steps. */
const MAX_DELAY = 0x7fff_ffff

const settled = Promise.resolve()

/** The clock of the platform this runs on. */
export const systemClock: Clock = {
  now: () => performance.now(),
  realtime: () => performance.timeOrigin + performance.now(),
  after(milliseconds, task) {
    return milliseconds <= MAX_DELAY ? startTimer(milliseconds, task) : startLongTimer(milliseconds, task)
  },
  // A reaction to a promise; queueMicrotask costs several times as much in Node.js, for the sake of its async hooks.
  soon: (task) => void settled.then(task),
  later: (task) => {
    if (typeof setImmediate === 'function') setImmediate(task)
    else setTimeout(task, 0)
  },
}

function startTimer(milliseconds: number, task: () => void): Timer {
  const timer = setTimeout(task, Math.max(0, milliseconds))
  return { cancel: () => clearTimeout(timer) }
}

function startLongTimer(milliseconds: number, task: () => void): Timer {
  let current = startTimer(MAX_DELAY, () => {
    current = systemClock.after(milliseconds - MAX_DELAY, task)
  })
  return { cancel: () => current.cancel() }
}
