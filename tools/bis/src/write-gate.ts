import { BackendFilter } from '@bis/host'
import type { VirtualDisk } from '@bis/vhdx'

/** An image between the guest and its file, whose changes can be held back while it is copied. */
export class WriteGate extends BackendFilter {
  readonly #image: VirtualDisk
  /** Changes that have begun and not ended. */
  #under = 0
  #quiet: (() => void) | undefined
  #held: Promise<void> | undefined

  constructor(image: VirtualDisk) {
    super(image)
    this.#image = image
  }

  override write(offset: number, source: Uint8Array): Promise<void> {
    return this.#change(() => this.#image.write(offset, source))
  }

  override flush(): Promise<void> {
    return this.#change(() => this.#image.flush())
  }

  override trim(offset: number, length: number): Promise<void> {
    return this.#change(() => this.#image.trim(offset, length))
  }

  writeZeroes(offset: number, length: number): Promise<void> {
    return this.#change(() => this.#image.writeZeroes(offset, length))
  }

  /** Resolves when nothing changes any more. @returns what lets changes through again */
  async hold(): Promise<() => void> {
    while (this.#held !== undefined) await this.#held
    let release: () => void = () => {}
    this.#held = new Promise((resolve) => {
      release = () => {
        this.#held = undefined
        resolve()
      }
    })
    if (this.#under > 0) {
      await new Promise<void>((resolve) => {
        this.#quiet = resolve
      })
    }
    return release
  }

  async #change(change: () => Promise<void>): Promise<void> {
    while (this.#held !== undefined) await this.#held
    this.#under++
    try {
      await change()
    } finally {
      this.#under--
      if (this.#under === 0) {
        this.#quiet?.()
        this.#quiet = undefined
      }
    }
  }
}
