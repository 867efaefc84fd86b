export { Bell } from './bell.ts'
export { EventTargets, setFlag } from './event-targets.ts'
export { SignalBoard } from './signal-board.ts'
export { canWait, onNotify } from './wait-async.ts'
