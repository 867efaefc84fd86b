import type { Backend } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import type { BlockStore } from './block-store.ts'
import { GroupCommit } from './group-commit.ts'

/**
 * The changes of an open image: begun with the first of them, made stable together, and refused when nobody knows any more
 * what is stable.
 */
export class Changes {
  readonly #backend: Backend
  readonly #store: BlockStore
  readonly #commits = new GroupCommit(() => this.#commit())
  #begun = false
  #beginning: Promise<void> | undefined
  #failure: DiskImageError | undefined

  constructor(backend: Backend, store: BlockStore) {
    this.#backend = backend
    this.#store = store
  }

  /** Whether the image is ready for changes: until then there are none. */
  get begun(): boolean {
    return this.#begun
  }

  begin(): Promise<void> {
    this.#beginning ??= this.#store
      .begin(() => this.commit())
      .then(
        () => {
          this.#begun = true
        },
        (error: unknown) => {
          this.#beginning = undefined
          throw error
        },
      )
    return this.#beginning
  }

  /** Makes all changes so far stable. */
  commit(): Promise<void> {
    return this.#commits.run()
  }

  /** @throws DiskImageError `io` after a failure */
  mustBeTaken(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** No further change is made; the first failure is the one that is told. */
  refuse(message: string, cause: unknown): void {
    this.#failure ??= new DiskImageError('io', message, { cause })
  }

  /** After a failed flush nobody knows what is stable, and asking again would not tell: no further change is made. */
  async flushMedium(): Promise<void> {
    try {
      await this.#backend.flush()
    } catch (error) {
      this.#failure = new DiskImageError(
        'io',
        'the medium failed to flush; what was written since the last flush may be lost, and the image takes no more changes: close it and check it',
        { cause: error },
      )
      throw this.#failure
    }
  }

  /** The last commit: leaves the file as one that is not open. After a failure it stays as it is. */
  async finish(): Promise<void> {
    if (!this.#begun || this.#failure !== undefined) return
    await this.commit()
    await this.#store.finish(() => this.flushMedium())
  }

  async #commit(): Promise<void> {
    this.mustBeTaken()
    await this.#store.commit(() => this.flushMedium())
  }
}
