/** Work on a pool file of so many keys; microseconds for each operation. */
export interface KvpRow {
  readonly bench: 'append' | 'change' | 'get' | 'enumerate' | 'delete'
  readonly keys: number
  readonly microseconds: number
  /** The same bytes moved by the system's calls alone: open, read or write one record, close. */
  readonly plainMicroseconds: number
}
