import type { MemoryKind } from '@bis/hyperv-types'

/** What moved the bytes: our engines, a plain memory copy, the C program, or what Node.js offers for the same end. */
export type Contender = 'wasm' | 'script' | 'copy' | 'c' | 'c-copy' | 'message-port' | 'atomics'

/** Where the bytes lay; absent for what has memory of its own. */
export type BenchMemory = Exclude<MemoryKind, 'mapped'>

/** Packets of one size, each written once and read once; for copies, each copied once. */
export interface ThroughputRow {
  readonly bench: 'one-thread' | 'two-threads'
  readonly contender: Contender
  readonly memory?: BenchMemory
  readonly payloadBytes: number
  /** For each packet, the median of all slices. */
  readonly nanoseconds: number
  readonly packetsPerSecond: number
  readonly bytesPerSecond: number
  /** The C program's time divided by this one: 1 is as fast as C. Absent without a C compiler. */
  readonly ofC?: number
}

/** A packet to another thread and one back. */
export interface LatencyRow {
  readonly bench: 'round-trip'
  readonly contender: Contender
  readonly memory?: BenchMemory
  readonly medianNanoseconds: number
  readonly p99Nanoseconds: number
}

/** What many packets left on the heap. */
export interface HeapRow {
  readonly bench: 'heap'
  readonly contender: Contender
  readonly memory: BenchMemory
  readonly packets: number
  /** Growth of the used heap from the first packet to the last, without a collection forced. */
  readonly heapGrowthBytes: number
  /** Times the garbage collector ran meanwhile. */
  readonly collections: number
}

export type BenchRow = ThroughputRow | LatencyRow | HeapRow
