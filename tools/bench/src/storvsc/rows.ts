import type { BenchMemory } from '../ring/rows.ts'

export type HostThread = 'same' | 'second'

/** Reads of one size from a RAM disk, through the whole stack: driver, bus, hypervisor, host, SCSI target. */
export interface StorvscReadRow {
  readonly bench: 'random-read' | 'sequential-read'
  readonly contender: 'storvsc'
  /** Whether the host runs in the guest's thread. */
  readonly host: HostThread
  readonly memory: BenchMemory
  readonly bytes: number
  readonly queueDepth: number
  /** For each read, the tenth percentile of all slices. */
  readonly nanoseconds: number
  readonly readsPerSecond: number
  readonly bytesPerSecond: number
  /** The C ring program's time for a packet of 64 bytes divided by this one. Absent without a C compiler. */
  readonly ofCRing?: number
  /** The time of a plain copy of as many bytes divided by this one. */
  readonly ofCopy: number
}

/** A plain copy of as many bytes from the disk's memory into the guest's. */
export interface StorvscCopyRow {
  readonly bench: 'random-read' | 'sequential-read'
  readonly contender: 'copy'
  readonly memory: BenchMemory
  readonly bytes: number
  readonly nanoseconds: number
  readonly bytesPerSecond: number
}

export type StorvscRow = StorvscReadRow | StorvscCopyRow
