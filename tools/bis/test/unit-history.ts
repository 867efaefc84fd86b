import type { VirtualDisk } from '@bis/vhdx'

export const UNIT = 65_536
/** Smallest part of a unit that may be written without the rest when the power goes. */
const PIECE = 4096
const NEVER = Number.POSITIVE_INFINITY

interface Change {
  /** 0 for zeros. */
  readonly version: number
  readonly issued: number
  completed: number
}

/**
 * What each unit of a disk may hold after its machine was killed: what the last flush made stable, or anything that was
 * written, zeroed or trimmed since. Units carry their number and version, so that content in a wrong place shows.
 */
export class UnitHistory {
  /** Versions that may be there from before; a unit without any is zeros. */
  #before = new Map<number, Set<number>>()
  #changes = new Map<number, Change[]>()
  #flushed = -1
  #time = 0
  #version = 0

  /** A new version for a unit. @returns its content, and what to call when it is acknowledged */
  write(unit: number): { content: Buffer; done(): void } {
    const version = ++this.#version
    return { content: contentOf(unit, version), done: this.#note(unit, unit + 1, version) }
  }

  /** @returns what to call when it is acknowledged */
  zero(first: number, end: number): () => void {
    return this.#note(first, end, 0)
  }

  /** @returns what to call when it is acknowledged */
  flush(): () => void {
    const issued = ++this.#time
    return () => {
      this.#flushed = Math.max(this.#flushed, issued)
    }
  }

  /** @throws Error at the first unit with content that must not be there; what is there is the new beginning. */
  async check(disk: VirtualDisk): Promise<Map<number, Set<number>>> {
    const found = new Map<number, Set<number>>()
    const bytes = Buffer.alloc(UNIT)
    for (let unit = 0; unit < disk.sizeBytes / UNIT; unit++) {
      await disk.read(unit * UNIT, bytes)
      const versions = new Set<number>()
      for (let at = 0; at < UNIT; at += PIECE) versions.add(versionAt(bytes, at, unit))
      const allowed = this.#allowed(unit)
      for (const version of versions) {
        if (allowed.has(version)) continue
        throw new Error(`unit ${unit} holds version ${version}; only ${[...allowed].join(', ')} may be there`)
      }
      found.set(unit, versions)
    }
    return found
  }

  /** Goes on from what a check found, and was made stable. */
  restart(found: Map<number, Set<number>>): void {
    this.#before = found
    this.#changes = new Map()
    this.#flushed = -1
  }

  #allowed(unit: number): Set<number> {
    const changes = this.#changes.get(unit) ?? []
    const stable = changes.findLastIndex(({ completed }) => completed < this.#flushed)
    const since = changes.slice(Math.max(0, stable)).map(({ version }) => version)
    return stable < 0 ? new Set([...(this.#before.get(unit) ?? [0]), ...since]) : new Set(since)
  }

  #note(first: number, end: number, version: number): () => void {
    const change: Change = { version, issued: ++this.#time, completed: NEVER }
    for (let unit = first; unit < end; unit++) {
      const changes = this.#changes.get(unit)
      if (changes === undefined) this.#changes.set(unit, [change])
      else changes.push(change)
    }
    return () => {
      change.completed = ++this.#time
    }
  }
}

/** Every 8 bytes tell the unit and its version. */
function contentOf(unit: number, version: number): Buffer {
  const words = new Uint32Array(UNIT / 4)
  for (let i = 0; i < words.length; i += 2) {
    words[i] = unit
    words[i + 1] = version
  }
  return Buffer.from(words.buffer)
}

function versionAt(bytes: Buffer, at: number, unit: number): number {
  const version = bytes.readUInt32LE(at + 4)
  const last = bytes.readUInt32LE(at + PIECE - 4)
  if (last !== version) throw new Error(`unit ${unit} is torn within ${PIECE} bytes: versions ${version} and ${last}`)
  const home = bytes.readUInt32LE(at)
  if (version !== 0 && home !== unit) throw new Error(`unit ${unit} holds content of unit ${home}, version ${version}`)
  return version
}
