/**
 * Inputs of a random test that are worth keeping: each shows something of the tested code that none before it did. The
 * test runs them first, every time; BIS_FUZZ_KEEP=1 adds to the file what a run finds.
 */
export class Corpus<Input> {
  /** @param url of a file with one JSON value a line; it need not be there */
  constructor(url: URL)
  /** The inputs, as JSON keeps them. */
  readonly inputs: readonly Input[]
  /** Features seen so far. */
  readonly size: number
  /** What an input showed. @returns whether any of it was new */
  note(input: Input, features: Iterable<string>): boolean
}
