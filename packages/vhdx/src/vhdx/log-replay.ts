import type { Backend } from '../backend.ts'
import { at, DiskImageError } from '../errors.ts'
import { MIB } from '../shared/bytes.ts'
import { formatGuid } from '../shared/guid.ts'
import type { Header } from './header.ts'
import { SECTOR } from './layout.ts'
import type { LogEffect } from './log-effect.ts'
import type { LogEntry, LogFrame } from './log-entry.ts'
import { decodeLogEntry } from './log-entry.ts'

/** Log replay, [MS-VHDX] 2.3.2–2.3.3. */

/** Logs are 1 MiB nearly always; a dirty one past this is refused rather than read into memory. */
export const MAX_REPLAY_LOG = 256 * MIB
const ZERO_STEP = MIB

/** Reads the log and gives the entries to replay, oldest first; throws when the header says there are some but none is whole. */
export async function readActiveLog(backend: Backend, header: Header): Promise<LogEntry[]> {
  const { logOffset, logLength, logGuid } = header
  const place = `VHDX log at ${at(logOffset)}`
  const fileSize = await backend.size()
  if (logOffset + logLength > fileSize) {
    throw new DiskImageError(
      'truncated',
      `${place}: its ${logLength} bytes reach past the end of the file at ${at(fileSize)}, and it must be replayed`,
    )
  }
  if (logLength > MAX_REPLAY_LOG) {
    throw new DiskImageError(
      'unsupported',
      `${place}: a log of ${logLength} bytes to replay; at most ${MAX_REPLAY_LOG} are handled`,
    )
  }
  const ring = new Uint8Array(logLength)
  await backend.read(logOffset, ring)
  const entries = findActiveSequence({ guid: logGuid, logOffset, logLength, slice: ringSlice(ring) })
  const head = entries.at(-1)
  if (head === undefined) {
    throw new DiskImageError(
      'corrupt',
      `${place}: the header asks for replay of log ${formatGuid(logGuid)}, but no whole entry of it is there; restore the image from a copy`,
    )
  }
  // Only the newest entry's word counts: older ones may speak of a file that was larger before a shrink.
  if (head.flushedFileSize > fileSize) {
    throw new DiskImageError(
      'truncated',
      `${place}: the file has ${fileSize} bytes but had ${head.flushedFileSize} when the log was written; its end was lost`,
    )
  }
  return entries
}

/**
 * The active sequence: of all runs of valid entries with numbers that count up one by one, the part from the
 * tail to the entry with the greatest number whose tail lies inside its own run.
 */
export function findActiveSequence(frame: LogFrame): LogEntry[] {
  const byPosition = new Map<number, LogEntry>()
  for (let position = 0; position < frame.logLength; ) {
    const entry = decodeLogEntry(frame, position)
    if (entry !== undefined) byPosition.set(position, entry)
    position += SECTOR
  }
  const next = (entry: LogEntry): LogEntry | undefined => {
    const candidate = byPosition.get((entry.position + entry.length) % frame.logLength)
    return candidate?.sequence === entry.sequence + 1 ? candidate : undefined
  }
  // Runs: an entry no other one leads to starts one. Numbers only count up, so no run comes back to itself.
  const led = new Set<LogEntry>()
  for (const entry of byPosition.values()) {
    const follower = next(entry)
    if (follower !== undefined) led.add(follower)
  }
  let best: { run: LogEntry[]; head: number; tail: number } | undefined
  for (const start of byPosition.values()) {
    if (led.has(start)) continue
    const run = [start]
    const indexAt = new Map([[start.position, 0]])
    for (let entry = next(start); entry !== undefined; entry = next(entry)) {
      indexAt.set(entry.position, run.length)
      run.push(entry)
    }
    for (let head = run.length - 1; head >= 0; head--) {
      const entry = run[head] as LogEntry
      const tail = indexAt.get(entry.tail)
      if (tail === undefined || tail > head) continue
      if (best === undefined || entry.sequence > (best.run[best.head] as LogEntry).sequence) best = { run, head, tail }
      break
    }
  }
  return best === undefined ? [] : best.run.slice(best.tail, best.head + 1)
}

/** Brings every logged change to its place and grows the file as the newest entry says. Does not flush. */
export async function applyLog(target: Backend, effect: LogEffect): Promise<void> {
  const size = await target.size()
  if (size < effect.size) await target.truncate(effect.size)
  // What lay past the end is zero by growing.
  for (const { offset, end } of effect.zeroed) await writeZeros(target, offset, Math.min(end, size))
  for (const [sector, data] of effect.sectors) await target.write(sector * SECTOR, data)
}

async function writeZeros(target: Backend, offset: number, end: number): Promise<void> {
  const zeros = new Uint8Array(Math.max(0, Math.min(ZERO_STEP, end - offset)))
  for (let position = offset; position < end; position += zeros.length) {
    await target.write(position, zeros.subarray(0, Math.min(zeros.length, end - position)))
  }
}

function ringSlice(ring: Uint8Array): (position: number, length: number) => Uint8Array {
  return (position, length) => {
    if (position + length <= ring.length) return ring.subarray(position, position + length)
    const joined = new Uint8Array(length)
    const first = ring.subarray(position)
    joined.set(first)
    joined.set(ring.subarray(0, length - first.length), first.length)
    return joined
  }
}
