/** Arrays of fixed length, and arrays that fill the rest of a message. */

import type { Accessor, FieldType } from './field.ts'
import { fieldType } from './field.ts'
import { LayoutError } from './layout-error.ts'

/** The values an element's accessor reads and takes. */
type Read<A> = A extends { read(...args: never): infer V } ? V : never
type Written<A> = A extends { write(value: infer I, ...rest: never): void } ? I : never

/**
 * Elements of one type side by side. Without allocation, element `i` is
 * `field.item.get(view, field.at(base, i))`; the caller keeps `i` below `length`.
 */
export class ArrayField<A extends Accessor> implements Accessor<Read<A>[], readonly Written<A>[]> {
  declare readonly offset: number
  declare readonly size: number
  declare readonly length: number
  /** Bytes from one element to the next. */
  declare readonly stride: number
  /** Element 0. */
  declare readonly item: A

  constructor(offset: number, element: FieldType<A>, length: number) {
    this.offset = offset
    this.length = length
    this.stride = element.size
    this.size = element.size * length
    this.item = element.place(offset)
  }

  /** The base to hand to `item`'s accessors for element `index`. */
  at(base: number, index: number): number {
    return base + index * this.stride
  }

  read(view: DataView, base: number, end: number): Read<A>[] {
    const values: Read<A>[] = []
    for (let i = 0; i < this.length; i++) values.push(this.item.read(view, this.at(base, i), end) as Read<A>)
    return values
  }

  write(value: readonly Written<A>[], view: DataView, base: number): void {
    if (value.length > this.length) {
      throw new LayoutError('bad-value', `${value.length} elements for an array of ${this.length}`)
    }
    value.forEach((element, i) => {
      this.item.write(element, view, this.at(base, i))
    })
  }
}

/** An array that ends where its message ends; it adds nothing to the size of its layout. */
export class RestField<A extends Accessor> implements Accessor<Read<A>[], readonly Written<A>[]> {
  declare readonly offset: number
  readonly size = 0
  /** Bytes from one element to the next. */
  declare readonly stride: number
  /** Element 0. */
  declare readonly item: A

  constructor(offset: number, element: FieldType<A>) {
    this.offset = offset
    this.stride = element.size
    this.item = element.place(offset)
  }

  /** The base to hand to `item`'s accessors for element `index`. */
  at(base: number, index: number): number {
    return base + index * this.stride
  }

  read(view: DataView, base: number, end: number): Read<A>[] {
    const count = Math.floor((end - base - this.offset) / this.stride)
    const values: Read<A>[] = []
    for (let i = 0; i < count; i++) values.push(this.item.read(view, this.at(base, i), end) as Read<A>)
    return values
  }

  write(value: readonly Written<A>[], view: DataView, base: number): void {
    value.forEach((element, i) => {
      this.item.write(element, view, this.at(base, i))
    })
  }

  extra(value: readonly Written<A>[]): number {
    return value.length * this.stride
  }
}

/** `length` elements; encoding fewer leaves the others zero. */
export function array<A extends Accessor>(element: FieldType<A>, length: number): FieldType<ArrayField<A>> {
  return fieldType(element.size * length, element.alignment, (offset) => new ArrayField(offset, element, length))
}

/** As many elements as fit from here to the end of the message; the last field of its layout. */
export function rest<A extends Accessor>(element: FieldType<A>): FieldType<RestField<A>> {
  return fieldType(0, element.alignment, (offset) => new RestField(offset, element))
}
