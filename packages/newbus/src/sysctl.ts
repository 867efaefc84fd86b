import type { SysctlNode, SysctlValue, TunableLeaf, TunableSysctl, Tunables } from '@bis/hyperv-types'
import { BisError } from '@bis/hyperv-types'
import { TunableValue } from './tunable-value.ts'

export type SysctlErrorCode = 'unknown-name' | 'not-a-leaf' | 'read-only' | 'bad-value' | 'exists'

/** A sysctl name or value that the tree does not take. */
export class SysctlError extends BisError<SysctlErrorCode> {
  override readonly name = 'SysctlError'
}

/** One leaf as a listing shows it. */
export interface SysctlEntry {
  readonly name: string
  readonly description: string
  readonly value: SysctlValue
  readonly writable: boolean
}

interface Leaf {
  readonly description: string
  readonly get: () => SysctlValue
  readonly set: ((value: SysctlValue) => void) | undefined
}

/** The sysctl tree: values are read when they are asked for, so a leaf costs nothing until someone looks. */
export class SysctlTree implements SysctlNode {
  readonly name: string
  readonly #loader: Tunables | undefined
  readonly #parent: SysctlTree | undefined
  readonly #nodes = new Map<string, SysctlTree>()
  readonly #leaves = new Map<string, Leaf>()

  /** @param loader where tunables take their values from when they are added; without it they do not */
  constructor(loader?: Tunables, name = '', parent?: SysctlTree) {
    this.#loader = loader
    this.name = name
    this.#parent = parent
  }

  child(name: string): SysctlTree {
    let node: SysctlTree = this
    for (const part of name.split('.')) node = node.#childNode(part)
    return node
  }

  leaf(name: string, description: string, get: () => SysctlValue, set?: (value: SysctlValue) => void): void {
    if (this.#leaves.has(name)) throw new SysctlError('exists', `sysctl ${this.#qualify(name)} is there already`)
    this.#leaves.set(name, { description, get, set })
  }

  /** @throws SysctlError `exists`. */
  tunable(tunable: TunableSysctl): TunableLeaf {
    const dot = tunable.name.lastIndexOf('.')
    const node = dot < 0 ? this : this.child(tunable.name.slice(0, dot))
    const name = tunable.name.slice(dot + 1)
    const value = new TunableValue(this.#qualify(tunable.name), tunable)
    node.leaf(name, tunable.description, value.get, tunable.writable === true ? value.set : undefined)
    if (this.#loader !== undefined) value.fetch(this.#loader)
    return { fetch: (loader) => value.fetch(loader), remove: () => void node.#leaves.delete(name) }
  }

  remove(): void {
    if (this.#parent === undefined) {
      this.#nodes.clear()
      this.#leaves.clear()
    } else {
      this.#parent.#nodes.delete(this.name.slice(this.name.lastIndexOf('.') + 1))
    }
  }

  /** @throws SysctlError `unknown-name`, `not-a-leaf`. */
  get(name: string): SysctlValue {
    return this.#find(name).get()
  }

  /**
   * Writes a leaf. Text is turned into the kind of value the leaf has now; numbers must be whole and exact.
   * @throws SysctlError `unknown-name`, `not-a-leaf`, `read-only`, `bad-value`.
   */
  set(name: string, value: SysctlValue): void {
    const leaf = this.#find(name)
    if (leaf.set === undefined) throw new SysctlError('read-only', `sysctl ${name} cannot be written`)
    try {
      leaf.set(convert(name, leaf.get(), value))
    } catch (cause) {
      if (cause instanceof SysctlError) throw cause
      const text = cause instanceof Error ? cause.message : String(cause)
      throw new SysctlError('bad-value', `sysctl ${name} does not take ${value}: ${text}`, { cause })
    }
  }

  /** Every leaf at or below `prefix`, by name. */
  list(prefix = ''): SysctlEntry[] {
    const entries: SysctlEntry[] = []
    this.#collect(entries)
    return entries
      .filter(({ name }) => prefix === '' || name === prefix || name.startsWith(`${prefix}.`))
      .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
  }

  #childNode(part: string): SysctlTree {
    let node = this.#nodes.get(part)
    if (node === undefined) {
      node = new SysctlTree(this.#loader, this.#qualify(part), this)
      this.#nodes.set(part, node)
    }
    return node
  }

  #find(name: string): Leaf {
    const parts = name.split('.')
    const last = parts.pop() ?? ''
    let node: SysctlTree = this
    for (const part of parts) {
      const next = node.#nodes.get(part)
      if (next === undefined) throw new SysctlError('unknown-name', `no sysctl ${name}`)
      node = next
    }
    const leaf = node.#leaves.get(last)
    if (leaf !== undefined) return leaf
    if (node.#nodes.has(last)) throw new SysctlError('not-a-leaf', `sysctl ${name} is a node, not a value`)
    throw new SysctlError('unknown-name', `no sysctl ${name}`)
  }

  #collect(entries: SysctlEntry[]): void {
    for (const [name, { description, get, set }] of this.#leaves) {
      entries.push({ name: this.#qualify(name), description, value: get(), writable: set !== undefined })
    }
    for (const node of this.#nodes.values()) node.#collect(entries)
  }

  #qualify(part: string): string {
    return this.name === '' ? part : `${this.name}.${part}`
  }
}

function convert(name: string, current: SysctlValue, value: SysctlValue): SysctlValue {
  if (typeof current === 'string') return String(value)
  const text = String(value).trim()
  if (!/^[+-]?(\d+|0x[0-9a-f]+)$/i.test(text)) {
    throw new SysctlError('bad-value', `sysctl ${name} takes a whole number, not ${JSON.stringify(String(value))}`)
  }
  if (typeof current === 'bigint') return BigInt(text)
  const number = Number(text)
  if (!Number.isSafeInteger(number)) throw new SysctlError('bad-value', `${text} is too large for sysctl ${name}`)
  return number
}
