/**
 * Layouts: a wire structure declared once. The declaration reads like the table in the document that defines the
 * structure, and gives its size, the offset of every field, accessors that do not allocate, a decoder, an encoder and
 * the types of both.
 */

import { ReservedField } from './bytes.ts'
import type { Accessor, AccessorOf, FieldType, InitOf, ValueOf } from './field.ts'
import { LayoutError } from './layout-error.ts'

/** Fields in the order of the wire. */
export type Fields = Readonly<Record<string, FieldType>>

type Named<F extends Fields> = {
  [K in keyof F as AccessorOf<F[K]> extends ReservedField ? never : K]: F[K]
}

/** What `decode` gives for these fields. */
export type StructValue<F extends Fields> = { -readonly [K in keyof Named<F>]: ValueOf<F[K]> }

/** What `encode` takes for these fields. */
export type StructInit<F extends Fields> = { readonly [K in keyof Named<F>]: InitOf<F[K]> }

/** Names that a layout has for itself. A wire field of such a name is declared under a longer one (`size` → `msg_size`). */
export type TakenName = keyof Struct<Fields>

export interface LayoutOptions {
  /** The size that the document states. A different sum is an error while the module loads. */
  readonly size?: number
  /** `packed` (the default): fields follow each other without gaps; `natural`: as a C compiler aligns them. */
  readonly align?: 'packed' | 'natural'
}

/** What every layout has besides its fields. */
interface Struct<F extends Fields> extends Accessor<StructValue<F>, StructInit<F>>, FieldType {
  /** The name that the wire document or header gives the structure. */
  readonly name: string
  /** Bytes of the structure without a last field that fills the rest of a message. */
  readonly size: number
  /** 0, or the place inside the outermost structure when this one is nested. */
  readonly offset: number
  readonly alignment: number
  /** The fields in the order of the wire. */
  readonly fields: { readonly [K in keyof F]: AccessorOf<F[K]> }
  /** The same structure inside another one, `offset` bytes from the beginning of that one. */
  place(offset: number): Layout<F>
  /** Whether the structure fits in `byteLength` bytes from `base` on. */
  fits(byteLength: number, base?: number): boolean
  /**
   * Call once for each view and base; the accessors then need no check of their own.
   * @throws LayoutError `out-of-bounds` when the structure does not lie inside the view
   */
  check(view: DataView, base?: number): void
  /**
   * The structure at `base` as a plain object. A last field that fills the rest of the message ends at `end`, which
   * is the end of the fixed part when not given.
   * @throws LayoutError `out-of-bounds`
   */
  decode(source: DataView | Uint8Array, base?: number, end?: number): StructValue<F>
  /** Bytes that `encode` writes for this value: `size`, and what fills the rest. */
  sizeOf(value: StructInit<F>): number
  /** A new array with the encoded structure. @throws LayoutError `bad-value` */
  encode(value: StructInit<F>): Uint8Array
  /**
   * Writes the structure at `base` and returns the number of bytes; reserved bytes and padding become zero.
   * @throws LayoutError `bad-value`, `out-of-bounds`
   */
  encode(value: StructInit<F>, target: DataView | Uint8Array, base?: number): number
}

/** Any layout, its fields not known to the type: for tables of layouts. */
export interface AnyLayout extends FieldType {
  readonly name: string
  readonly offset: number
  readonly fields: Readonly<Record<string, Accessor>>
  place(offset: number): AnyLayout & Accessor
  fits(byteLength: number, base?: number): boolean
  check(view: DataView, base?: number): void
  decode(source: DataView | Uint8Array, base?: number, end?: number): Record<string, unknown>
  encode(value: Readonly<Record<string, unknown>>): Uint8Array
  encode(value: Readonly<Record<string, unknown>>, target: DataView | Uint8Array, base?: number): number
}

/** A layout: its fields' accessors under their own names, and what `Struct` adds. */
export type Layout<F extends Fields = Fields> = Struct<F> & { readonly [K in keyof F]: AccessorOf<F[K]> }

/**
 * Declares a structure.
 * @throws LayoutError `bad-layout` when fields overlap, a name is taken, or the sizes differ
 */
export function layout<const F extends Fields>(
  name: string,
  fields: F & { readonly [K in TakenName]?: never },
  options: LayoutOptions = {},
): Layout<F> {
  const plan = measure(name, fields, options)
  return build<F>(name, fields, plan, 0)
}

/** A field at the offset that its document lists: `at(48, u32)`. The bytes skipped are padding. */
export function at<A extends Accessor>(offset: number, type: FieldType<A>): FieldType<A> {
  return new Positioned(offset, type)
}

class Positioned<A extends Accessor> implements FieldType<A> {
  readonly position: number
  readonly size: number
  readonly alignment: number
  readonly #type: FieldType<A>

  constructor(position: number, type: FieldType<A>) {
    this.position = position
    this.size = type.size
    this.alignment = type.alignment
    this.#type = type
  }

  place(offset: number): A {
    return this.#type.place(offset)
  }
}

interface Plan {
  readonly offsets: ReadonlyMap<string, number>
  readonly size: number
  readonly alignment: number
}

function measure(name: string, fields: Fields, options: LayoutOptions): Plan {
  const natural = options.align === 'natural'
  const offsets = new Map<string, number>()
  let end = 0
  let alignment = 1
  let closedBy: string | undefined
  for (const [key, type] of Object.entries(fields)) {
    if (TAKEN.has(key)) throw new LayoutError('bad-layout', `${name}: a field cannot be named ${key}`)
    if (closedBy !== undefined)
      throw new LayoutError('bad-layout', `${name}: ${key} comes after ${closedBy}, which fills the rest`)
    let offset = natural ? Math.ceil(end / type.alignment) * type.alignment : end
    if (type instanceof Positioned) {
      if (type.position < end)
        throw new LayoutError('bad-layout', `${name}: ${key} at ${type.position} overlaps what ends at ${end}`)
      offset = type.position
    }
    offsets.set(key, offset)
    end = offset + type.size
    alignment = Math.max(alignment, natural ? type.alignment : 1)
    if (type.place(offset).extra !== undefined) closedBy = key
  }
  const size = natural ? Math.ceil(end / alignment) * alignment : end
  if (options.size !== undefined && options.size !== size) {
    throw new LayoutError('bad-layout', `${name}: declared as ${options.size} bytes, but its fields make ${size}`)
  }
  return { offsets, size, alignment }
}

function build<F extends Fields>(name: string, types: F, plan: Plan, start: number): Layout<F> {
  const fields: Record<string, Accessor> = {}
  for (const [key, type] of Object.entries(types)) fields[key] = type.place(start + (plan.offsets.get(key) ?? 0))
  const entries = Object.entries(fields)
  const named = entries.filter(([, field]) => !(field instanceof ReservedField))
  const [lastKey, last] = entries.at(-1) ?? []
  const extra =
    lastKey === undefined || last?.extra === undefined
      ? undefined
      : (value: Readonly<Record<string, unknown>>) => last.extra?.(value[lastKey]) ?? 0
  const { size, alignment } = plan

  const self = {
    name,
    size,
    offset: start,
    alignment,
    fields,
    place: (offset: number) => build<F>(name, types, plan, offset),
    fits: (byteLength: number, base = 0) => base + start >= 0 && base + start + size <= byteLength,
    check(view: DataView, base = 0): void {
      const from = base + start
      if (!Number.isInteger(base) || from < 0 || from + size > view.byteLength) {
        throw new LayoutError('out-of-bounds', `${name}: ${size} bytes at ${from} of a view of ${view.byteLength}`)
      }
    },
    read(view: DataView, base: number, end: number): Record<string, unknown> {
      const value: Record<string, unknown> = {}
      for (const [key, field] of named) value[key] = field.read(view, base, end)
      return value
    },
    write(value: Readonly<Record<string, unknown>>, view: DataView, base: number): void {
      for (const [key, field] of named) {
        try {
          field.write(value[key], view, base)
        } catch (error) {
          if (!(error instanceof LayoutError)) throw error
          throw new LayoutError(error.code, `${name}.${key}: ${error.message}`)
        }
      }
    },
    decode(source: DataView | Uint8Array, base = 0, end = base + start + size): Record<string, unknown> {
      const view = viewOf(source)
      self.check(view, base)
      if (end > view.byteLength || end < base + start + size) {
        throw new LayoutError('out-of-bounds', `${name}: end ${end} of a view of ${view.byteLength}`)
      }
      return self.read(view, base, end)
    },
    sizeOf: (value: Readonly<Record<string, unknown>>) => size + (extra?.(value) ?? 0),
    encode(value: Readonly<Record<string, unknown>>, target?: DataView | Uint8Array, base = 0): Uint8Array | number {
      const length = self.sizeOf(value)
      if (target === undefined) {
        const out = new Uint8Array(start + length)
        self.write(value, viewOf(out), 0)
        return out
      }
      const view = viewOf(target)
      const from = base + start
      if (!Number.isInteger(base) || from < 0 || from + length > view.byteLength) {
        throw new LayoutError('out-of-bounds', `${name}: ${length} bytes at ${from} of a view of ${view.byteLength}`)
      }
      new Uint8Array(view.buffer, view.byteOffset + from, length).fill(0)
      self.write(value, view, base)
      return length
    },
  }
  // `extra` exists only where a field fills the rest: that is how an enclosing layout knows.
  return Object.freeze({ ...self, ...(extra === undefined ? {} : { extra }), ...fields }) as unknown as Layout<F>
}

const TAKEN: ReadonlySet<string> = new Set<TakenName>([
  'name',
  'size',
  'offset',
  'alignment',
  'fields',
  'place',
  'fits',
  'check',
  'read',
  'write',
  'extra',
  'decode',
  'sizeOf',
  'encode',
])

function viewOf(source: DataView | Uint8Array): DataView {
  return source instanceof DataView ? source : new DataView(source.buffer, source.byteOffset, source.byteLength)
}
