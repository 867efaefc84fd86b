import type { SysctlNode, SysctlValue, TunableLeaf, TunableSysctl, Tunables } from '@bis/hyperv-types'

/** The sysctl tree of a kernel that leaves `TUNABLE_INT_FETCH` to the driver: the shim does it, as head's kernel does. */
export class FetchingSysctl implements SysctlNode {
  readonly #node: SysctlNode
  readonly #loader: Tunables

  constructor(node: SysctlNode, loader: Tunables) {
    this.#node = node
    this.#loader = loader
  }

  get name(): string {
    return this.#node.name
  }

  child(name: string, description?: string): SysctlNode {
    return new FetchingSysctl(this.#node.child(name, description), this.#loader)
  }

  leaf(name: string, description: string, get: () => SysctlValue, set?: (value: SysctlValue) => void): void {
    this.#node.leaf(name, description, get, set)
  }

  tunable(tunable: TunableSysctl): TunableLeaf {
    const leaf = this.#node.tunable(tunable)
    leaf.fetch(this.#loader)
    return leaf
  }

  get(name: string): SysctlValue {
    return this.#node.get(name)
  }

  remove(): void {
    this.#node.remove()
  }
}
