import { Sense } from '@bis/hyperv-types/scsi'
import type { DiskBackend } from './backend.ts'
import { BackendFilter } from './backend-filter.ts'
import { ScsiFault } from './scsi-fault.ts'

export type FaultOperation = 'read' | 'write' | 'flush' | 'trim'

/** Which operations fail, and how. */
export interface FaultRule {
  /** Default: reads and writes. */
  readonly operations?: readonly FaultOperation[]
  /** Bytes of the disk that are bad; without it, all. Flush is hit only by rules without a range. */
  readonly range?: { readonly start: number; readonly end: number }
  /** Share of the operations hit that fail, 0 to 1. Default 1. */
  readonly rate?: number
  /** So many operations fail, then the rule has no effect. Default: no end. */
  readonly count?: number
  /** Default: a medium error that fits the operation. */
  readonly error?: Error
}

interface ActiveRule {
  readonly rule: FaultRule
  left: number
}

/** A backend whose operations fail by rules, which may change while it is used. */
export class FaultyBackend extends BackendFilter {
  readonly #random: () => number
  #rules: ActiveRule[] = []

  /** @param random numbers from 0 up to 1, for rules with a rate; give a seeded one to repeat a run. */
  constructor(inner: DiskBackend, random: () => number = Math.random) {
    super(inner)
    this.#random = random
  }

  /** Adds a rule; the first that applies decides. Returns how to take it back. */
  inject(rule: FaultRule): () => void {
    const active: ActiveRule = { rule, left: rule.count ?? Number.POSITIVE_INFINITY }
    this.#rules.push(active)
    return () => {
      this.#rules = this.#rules.filter((other) => other !== active)
    }
  }

  override read(offset: number, target: Uint8Array): Promise<void> | undefined {
    this.#strike('read', offset, target.length)
    return super.read(offset, target)
  }

  override write(offset: number, source: Uint8Array): Promise<void> | undefined {
    this.#strike('write', offset, source.length)
    return super.write(offset, source)
  }

  override flush(): Promise<void> | undefined {
    this.#strike('flush', 0, 0)
    return super.flush()
  }

  override trim(offset: number, length: number): Promise<void> | undefined {
    this.#strike('trim', offset, length)
    return super.trim(offset, length)
  }

  #strike(operation: FaultOperation, offset: number, length: number): void {
    for (const active of this.#rules) {
      const { operations = ['read', 'write'], range, rate = 1, error } = active.rule
      if (active.left <= 0 || !operations.includes(operation)) continue
      if (range !== undefined && !(offset < range.end && offset + length > range.start)) continue
      if (rate < 1 && this.#random() >= rate) continue
      active.left--
      throw error ?? new ScsiFault('check-condition', `injected ${operation} fault`, DEFAULT_SENSE[operation])
    }
  }
}

const DEFAULT_SENSE = {
  read: Sense.UNRECOVERED_READ_ERROR,
  write: Sense.PERIPHERAL_DEVICE_WRITE_FAULT,
  flush: Sense.PERIPHERAL_DEVICE_WRITE_FAULT,
  trim: Sense.PERIPHERAL_DEVICE_WRITE_FAULT,
} as const
