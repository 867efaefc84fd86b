/**
 * The medium an image lies on: a file, memory, a page blob, anything addressable in bytes.
 *
 * Rules an implementation must keep, because crash safety rests on them:
 * - a write that has resolved is seen by every later read;
 * - writes may reach stable storage in any order, whole or in part, until `flush` resolves;
 *   then all writes and truncations that had resolved before the call are stable;
 * - `truncate` to a larger size makes the new bytes read as zero.
 *
 * Several calls may be under way at once; calls on overlapping ranges are not made concurrently.
 */
export interface Backend {
  /** True when `write` and `truncate` are refused. Default false. */
  readonly readOnly?: boolean
  /** A name for messages, such as a path. */
  readonly name?: string
  /** The same for two backends on the same medium, different otherwise, so that a chain of parents that goes round is noticed. */
  readonly identity?: string
  /** When the content last changed, in milliseconds since 1970; children of a VHD remember it of their parent. */
  modifiedAt?(): Promise<number>
  /** Fills `buffer` from `offset`; resolves with the bytes read, fewer than asked only at the end of the medium. */
  read(offset: number, buffer: Uint8Array): Promise<number>
  /** Writes the whole buffer, growing the medium if it ends before. */
  write(offset: number, buffer: Uint8Array): Promise<void>
  /** Makes everything written so far stable. */
  flush(): Promise<void>
  /** Sets the size in bytes. */
  truncate(size: number): Promise<void>
  /** Size in bytes. */
  size(): Promise<number>
  close(): Promise<void>
}

/** Fills the whole buffer; bytes past the end of the medium are zero. */
export async function readZeroPadded(backend: Backend, offset: number, buffer: Uint8Array): Promise<void> {
  const got = await backend.read(offset, buffer)
  if (got < buffer.length) buffer.fill(0, got)
}
