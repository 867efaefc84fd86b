import type { Clock } from '@bis/hyperv-types'
import type { Runnable } from '../channel/channel-bus.ts'

/** Rounds in a row before the event loop gets a turn: traffic that feeds itself must not starve timers and I/O. */
const ROUNDS_PER_TURN = 64
/** From this many rounds on it is found out whether the event loop has turned meanwhile. */
const ROUNDS_UNWATCHED = 8

/** The bus's tasks. A round runs what was there when it began; what they schedule runs in the next one. */
export class RunQueue {
  readonly #clock: Clock
  readonly #round = (): void => this.#runRound()
  readonly #turn = (): void => this.#runTurn()
  #next: Runnable[] = []
  #spare: Runnable[] = []
  #later: Runnable[] = []
  #armed = false
  #turnArmed = false
  #rounds = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Runs a task when the running one has ended. */
  schedule(task: Runnable): void {
    this.#next.push(task)
    this.#arm()
  }

  /** Runs a task after the event loop has had a turn. */
  scheduleLater(task: Runnable): void {
    this.#later.push(task)
    this.#armTurn()
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    if (this.#rounds < ROUNDS_PER_TURN) this.#clock.soon(this.#round)
    else this.#armTurn()
  }

  #armTurn(): void {
    if (this.#turnArmed) return
    this.#turnArmed = true
    this.#clock.later(this.#turn)
  }

  #runTurn(): void {
    this.#turnArmed = false
    this.#rounds = 0
    const later = this.#later
    this.#later = []
    for (const task of later) task.run()
    if (this.#armed) this.#runRound()
  }

  #runRound(): void {
    if (!this.#armed) return
    this.#armed = false
    this.#rounds++
    if (this.#rounds >= ROUNDS_UNWATCHED) this.#armTurn()
    const tasks = this.#next
    this.#next = this.#spare
    this.#spare = tasks
    for (const task of tasks) task.run()
    tasks.length = 0
  }
}
