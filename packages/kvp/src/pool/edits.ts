import { byteString, KvpEntry } from './entry.ts'
import { encodeKey, encodeValue } from './limits.ts'
import type { KvpEdit, KvpPoolNumber, SetOptions } from './pool.ts'
import { usualLimit } from './pool.ts'

/** An edit with its text checked and encoded. */
export interface EncodedEdit {
  readonly action: 'set' | 'append' | 'delete'
  /** The key's bytes as {@link byteString}. */
  readonly key: string
  readonly entry: KvpEntry
}

const NOTHING = new Uint8Array(0)

/** @throws KvpError `bad-key`, `bad-value`, `too-long` */
export function encodeEdits(number: KvpPoolNumber, edits: readonly KvpEdit[], options: SetOptions): EncodedEdit[] {
  const limit = options.limit ?? usualLimit(number)
  return edits.map((edit) => {
    // A key that is too long for the host can be there and must be removable.
    if ('delete' in edit) return encoded('delete', encodeKey(edit.delete, 'file'), NOTHING)
    const [action, key] = 'set' in edit ? (['set', edit.set] as const) : (['append', edit.append] as const)
    return encoded(action, encodeKey(key, limit), encodeValue(edit.value, limit))
  })
}

function encoded(action: EncodedEdit['action'], key: Uint8Array, value: Uint8Array): EncodedEdit {
  return { action, key: byteString(key), entry: KvpEntry.of(key, value) }
}

/** What becomes of a pool: entries replaced, taken out and put behind the last. */
export interface EditPlan {
  readonly replaced: ReadonlyMap<number, KvpEntry>
  readonly removed: ReadonlySet<number>
  readonly appended: readonly KvpEntry[]
  /** Entries taken out, those that were to be appended included. */
  readonly removals: number
}

/** Where each key of a pool stands; keys are {@link byteString}s. */
export class KeyIndex {
  readonly #places = new Map<string, number[]>()
  readonly #keys: string[] = []

  get length(): number {
    return this.#keys.length
  }

  add(key: string): void {
    const places = this.#places.get(key)
    if (places === undefined) this.#places.set(key, [this.#keys.length])
    else places.push(this.#keys.length)
    this.#keys.push(key)
  }

  first(key: string): number | undefined {
    return this.#places.get(key)?.[0]
  }

  /**
   * Plans the edits, and takes note of what they add.
   * @returns the plan; when it removes something, this index is void: {@link after} makes the one that follows
   */
  plan(edits: readonly EncodedEdit[]): EditPlan {
    const before = this.#keys.length
    const replaced = new Map<number, KvpEntry>()
    const removed = new Set<number>()
    const appended: (KvpEntry | undefined)[] = []
    let removals = 0
    for (const { action, key, entry } of edits) {
      const place = this.first(key)
      if (action === 'delete') {
        for (const index of this.#places.get(key) ?? []) {
          removals++
          if (index >= before) appended[index - before] = undefined
          else {
            removed.add(index)
            replaced.delete(index)
          }
        }
        this.#places.delete(key)
      } else if (action === 'append' || place === undefined) {
        this.add(key)
        appended.push(entry)
      } else if (place >= before) appended[place - before] = entry
      else replaced.set(place, entry)
    }
    return { replaced, removed, appended: appended.filter((entry) => entry !== undefined), removals }
  }
  /** The index of the pool when the plan is carried out. */
  after({ removed, removals, appended }: EditPlan): KeyIndex {
    if (removals === 0) return this
    const index = new KeyIndex()
    const planned = this.#keys.length - appended.length - (removals - removed.size)
    for (const [place, key] of this.#keys.entries()) if (place < planned && !removed.has(place)) index.add(key)
    for (const { keyBytes } of appended) index.add(byteString(keyBytes))
    return index
  }
}
