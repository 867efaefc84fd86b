/**
 * What the codec is made of. A `FieldType` says how wide something is; placing it at an offset gives an
 * `Accessor`, which reads and writes it relative to the base of the structure it is part of.
 *
 * The classes of accessors say `declare readonly offset`: a plain field declaration would first store undefined and
 * then the offset, and V8 takes only a field stored once for a constant. It halves the speed of every `get`.
 */

/** A field at its place in a structure. `base` is always where the outermost structure begins in the view. */
export interface Accessor<Value = unknown, Init = Value> {
  /** Bytes from the beginning of the outermost structure. */
  readonly offset: number
  /** Bytes on the wire; 0 for what fills the rest of a message. */
  readonly size: number
  /** The value as a plain number, string, array or object. `end` bounds a field that fills the rest of a message. */
  read(view: DataView, base: number, end: number): Value
  /**
   * Writes a value over zeroed memory.
   * @throws LayoutError `bad-value` when it does not fit
   */
  write(value: Init, view: DataView, base: number): void
  /** Bytes that the value adds to `size`: only a field that fills the rest of a message has any. */
  extra?(value: Init): number
}

/** Something that a structure can have as a field. */
export interface FieldType<A extends Accessor = Accessor> {
  readonly size: number
  /** Natural alignment in bytes; used only by layouts declared with `align: 'natural'`. */
  readonly alignment: number
  /** The accessor for this field at `offset`. */
  place(offset: number): A
}

/** The accessor that a field type becomes in a layout. */
export type AccessorOf<T> = T extends FieldType<infer A> ? A : never

/** What reading yields: `ValueOf<typeof pktDescriptor>`, `ValueOf<typeof u32>`. */
export type ValueOf<T> = AccessorOf<T> extends { read(...args: never): infer V } ? V : never

/** What writing takes: as `ValueOf`, but of a union one member is enough. */
export type InitOf<T> = AccessorOf<T> extends { write(value: infer I, ...rest: never): void } ? I : never

/** Makes a field type from its size and the accessor's constructor. */
export function fieldType<A extends Accessor>(
  size: number,
  alignment: number,
  place: (offset: number) => A,
): FieldType<A> {
  return Object.freeze({ size, alignment, place })
}
