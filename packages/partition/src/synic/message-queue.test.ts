import { describe, expect, it } from 'vitest'
import type { MessageSlot, PendingMessage } from './message-queue.ts'
import { MessageQueue } from './message-queue.ts'

/** Runs a scenario once for every sequence of choices that it can make. @returns the number of runs. */
function explore(scenario: (choose: (alternatives: number) => number) => void): number {
  const choices: { taken: number; alternatives: number }[] = []
  for (let runs = 1; ; runs++) {
    let depth = 0
    scenario((alternatives) => {
      const choice = choices[depth] ?? { taken: 0, alternatives }
      choices[depth++] = choice
      return choice.taken
    })
    choices.length = depth
    let last = choices.pop()
    while (last !== undefined && last.taken + 1 >= last.alternatives) last = choices.pop()
    if (last === undefined) return runs
    choices.push({ taken: last.taken + 1, alternatives: last.alternatives })
  }
}

function message(type: number): PendingMessage {
  return { type, payload: Uint8Array.of(type) }
}

type GuestStep = 'wait' | 'clear' | 'look' | 'end'

/** A slot in shared memory with a guest on another processor, which goes on between any two accesses of ours. */
class Machine implements MessageSlot {
  readonly received: number[] = []
  readonly queue: MessageQueue
  #type = 0
  #pending = false
  #interrupts = 0
  #step: GuestStep = 'wait'
  #masked = false
  readonly #choose: (alternatives: number) => number

  constructor(choose: (alternatives: number) => number) {
    this.#choose = choose
    this.queue = new MessageQueue(100, () => this.#interrupts++)
  }

  isFree(): boolean {
    this.interleave(false)
    return this.#type === 0
  }

  write(written: PendingMessage, more: boolean): void {
    this.interleave(false)
    expect(this.#type).toBe(0)
    this.#pending = more
    this.#type = written.type
  }

  markPending(): void {
    this.interleave(false)
    this.#pending = true
  }

  /** Lets the guest take as many steps as it is told; its register writes wait for a hypervisor that is busy. */
  interleave(idle: boolean): void {
    while (this.#canStep(idle) && this.#choose(2) === 1) this.#advance()
  }

  finish(): void {
    while (this.#canStep(true)) this.#advance()
  }

  setMasked(masked: boolean): void {
    this.#masked = masked
    if (!masked) this.queue.flush(this)
  }

  post(type: number): void {
    this.queue.post(message(type), this.#masked ? undefined : this)
  }

  #canStep(idle: boolean): boolean {
    return this.#step === 'wait' ? this.#interrupts > 0 : this.#step !== 'end' || idle
  }

  #advance(): void {
    switch (this.#step) {
      case 'wait':
        this.#interrupts--
        if (this.#type === 0) return
        this.received.push(this.#type)
        this.#step = 'clear'
        return
      case 'clear':
        this.#type = 0
        this.#step = 'look'
        return
      case 'look':
        this.#step = this.#pending ? 'end' : 'wait'
        return
      case 'end':
        this.#step = 'wait'
        // The guest's processor is inside its register write: it takes no step of its own.
        this.queue.flush({
          isFree: () => this.#type === 0,
          markPending: () => {
            this.#pending = true
          },
          write: (written, more) => {
            expect(this.#type).toBe(0)
            this.#pending = more
            this.#type = written.type
          },
        })
    }
  }
}

describe('MessageQueue', () => {
  it('[DS-10] delivers every message once and in order, whatever the guest does between two accesses', () => {
    const runs = explore((choose) => {
      const machine = new Machine(choose)
      for (const type of [1, 2, 3]) {
        machine.interleave(true)
        machine.post(type)
      }
      machine.finish()
      expect(machine.received).toEqual([1, 2, 3])
      expect(machine.queue.length).toBe(0)
    })
    expect(runs).toBeGreaterThan(100)
  })

  it('[DS-10] only postpones messages while the SINT is masked', () => {
    explore((choose) => {
      const machine = new Machine(choose)
      machine.post(1)
      machine.interleave(true)
      machine.setMasked(true)
      machine.interleave(true)
      machine.post(2)
      machine.interleave(true)
      machine.post(3)
      machine.interleave(true)
      machine.setMasked(false)
      machine.finish()
      expect(machine.received).toEqual([1, 2, 3])
    })
  })

  it('[DS-11] asks for an end-of-message write exactly when a message waits', () => {
    explore((choose) => {
      const machine = new Machine(choose)
      let ends = 0
      const flush = machine.queue.flush.bind(machine.queue)
      machine.post(1)
      machine.interleave(true)
      machine.queue.flush = (slot) => {
        ends++
        flush(slot)
      }
      machine.finish()
      expect(machine.received).toEqual([1])
      expect(ends).toBe(0)
    })
  })

  it('refuses a message when too many wait, and takes it again later', () => {
    const slot = { isFree: () => true, write: () => {}, markPending: () => {} }
    const queue = new MessageQueue(2, () => {})
    expect(queue.post(message(1), undefined)).toBe('masked')
    expect(queue.post(message(2), undefined)).toBe('masked')
    expect(queue.post(message(3), slot)).toBe('full')
    queue.flush(slot)
    expect(queue.post(message(3), undefined)).toBe('masked')
    expect(queue.length).toBe(2)
  })
})
