/** Unions: several readings of the same bytes. */

import type { Accessor, AccessorOf, FieldType, InitOf, ValueOf } from './field.ts'
import { fieldType } from './field.ts'

type Members = Readonly<Record<string, FieldType>>

/**
 * Every member begins at the union's offset. Decoding gives all readings, and it is for the caller to know which one
 * holds. Encoding takes one of them; of several, a later one is written over an earlier one in order of declaration.
 */
export class UnionField<M extends Members>
  implements Accessor<{ -readonly [K in keyof M]: ValueOf<M[K]> }, { readonly [K in keyof M]?: InitOf<M[K]> }>
{
  declare readonly offset: number
  declare readonly size: number
  /** The accessors of each reading. */
  declare readonly as: { readonly [K in keyof M]: AccessorOf<M[K]> }

  constructor(offset: number, size: number, members: M) {
    this.offset = offset
    this.size = size
    const as: Record<string, Accessor> = {}
    for (const [name, type] of Object.entries(members)) as[name] = type.place(offset)
    this.as = as as { readonly [K in keyof M]: AccessorOf<M[K]> }
  }

  read(view: DataView, base: number): { -readonly [K in keyof M]: ValueOf<M[K]> } {
    const end = base + this.offset + this.size
    const value: Record<string, unknown> = {}
    for (const [name, member] of Object.entries<Accessor>(this.as)) value[name] = member.read(view, base, end)
    return value as { -readonly [K in keyof M]: ValueOf<M[K]> }
  }

  write(value: { readonly [K in keyof M]?: InitOf<M[K]> }, view: DataView, base: number): void {
    for (const [name, member] of Object.entries<Accessor>(this.as)) {
      const reading: unknown = value[name]
      if (reading !== undefined) member.write(reading, view, base)
    }
  }
}

/** A union as wide as its widest member, or `size` bytes when the document reserves more. */
export function union<const M extends Members>(members: M, size = 0): FieldType<UnionField<M>> {
  const types = Object.values(members)
  const width = Math.max(size, ...types.map((type) => type.size))
  const alignment = Math.max(1, ...types.map((type) => type.alignment))
  return fieldType(width, alignment, (offset) => new UnionField(offset, width, members))
}
