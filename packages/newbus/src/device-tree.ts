import type { Driver, TunableLeaf } from '@bis/hyperv-types'
import { BisError } from '@bis/hyperv-types'
import type { Tree } from './device-node.ts'
import { DeviceNode } from './device-node.ts'
import type { DriverKernel } from './kernel.ts'
import { SysctlError } from './sysctl.ts'

export type ModuleErrorCode = 'loaded' | 'not-loaded' | 'missing-dependency' | 'in-use'

/** A kernel module that cannot be loaded or unloaded now. */
export class ModuleError extends BisError<ModuleErrorCode> {
  override readonly name = 'ModuleError'
}

/** A kernel module: drivers that come and go together. */
export interface KernelModule {
  /** `hv_storvsc` */
  readonly name: string
  readonly drivers: readonly Driver[]
  /** Modules that must be loaded before. */
  readonly dependencies?: readonly string[]
}

/** The machine's device tree, from the root down, and the modules whose drivers serve it. */
export class DeviceTree {
  readonly kernel: DriverKernel
  readonly root: DeviceNode
  readonly #modules = new Map<string, KernelModule>()
  readonly #tunables = new Map<string, readonly TunableLeaf[]>()
  readonly #units = new Map<string, Set<number>>()

  constructor(kernel: DriverKernel) {
    this.kernel = kernel
    const tree: Tree = {
      kernel,
      probe: (node) => this.#probe(node),
      release: (node) => this.#units.get(node.driver?.name ?? '')?.delete(node.unit),
    }
    this.root = new DeviceNode(tree, undefined, { location: 'nexus', pnpinfo: '', ivars: undefined })
  }

  get modules(): readonly KernelModule[] {
    return [...this.#modules.values()]
  }

  /**
   * kldload: adds the drivers and offers them every device that has none, in the order of the tree.
   * @throws ModuleError `loaded`, `missing-dependency`.
   */
  async load(module: KernelModule): Promise<void> {
    if (this.#modules.has(module.name)) throw new ModuleError('loaded', `module ${module.name} is already loaded`)
    for (const name of module.dependencies ?? []) {
      if (this.#modules.has(name)) continue
      throw new ModuleError('missing-dependency', `module ${module.name} needs ${name}; load that first`)
    }
    this.#modules.set(module.name, module)
    this.#tunables.set(module.name, this.#addTunables(module))
    for (const node of this.#nodes()) node.probeAndAttach()
    await this.settled()
  }

  /**
   * kldunload: detaches the devices of the module's drivers and takes the drivers away.
   * @throws ModuleError `not-loaded`, `in-use` while another module depends on it.
   */
  async unload(name: string): Promise<void> {
    const module = this.#modules.get(name)
    if (module === undefined) throw new ModuleError('not-loaded', `module ${name} is not loaded`)
    const user = this.modules.find(({ dependencies }) => dependencies?.includes(name))
    if (user !== undefined)
      throw new ModuleError('in-use', `module ${name} is needed by ${user.name}; unload that first`)
    this.#modules.delete(name)
    for (const node of this.#nodes().toReversed()) {
      if (node.driver !== undefined && module.drivers.includes(node.driver)) await node.detach('not-present')
    }
    for (const leaf of this.#tunables.get(name) ?? []) leaf.remove()
    this.#tunables.delete(name)
  }

  /** Every device, parents before children. */
  devices(): readonly DeviceNode[] {
    return this.#nodes()
  }

  find(nameunit: string): DeviceNode | undefined {
    return this.#nodes().find((node) => node.nameunit === nameunit)
  }

  /** Resolves when every attach that has begun, on every level, has ended. */
  async settled(): Promise<void> {
    for (let before = -1; before !== this.#nodes().length; ) {
      before = this.#nodes().length
      await Promise.all([this.root, ...this.#nodes()].map((node) => node.settled()))
    }
  }

  /** Down the tree: children before parents. */
  suspend(): Promise<void> {
    return this.root.suspend()
  }

  /** Up the tree: parents before children. */
  resume(): Promise<void> {
    return this.root.resume()
  }

  /** The machine is going down: every driver is told, children first, then everything is detached. */
  async shutdown(): Promise<void> {
    await this.root.shutdown()
    for (const child of this.root.children.toReversed()) await this.root.removeChild(child)
  }

  /** The first to bring a sysctl keeps it, as in sysctl_register_oid. */
  #addTunables(module: KernelModule): TunableLeaf[] {
    const leaves: TunableLeaf[] = []
    for (const tunable of module.drivers.flatMap(({ tunables }) => tunables ?? [])) {
      try {
        leaves.push(this.kernel.sysctl.tunable(tunable))
      } catch (error) {
        if (!(error instanceof SysctlError && error.code === 'exists')) throw error
        this.kernel.log.log('warning', `can't re-use a leaf (${tunable.name})!`)
      }
    }
    return leaves
  }

  #nodes(): DeviceNode[] {
    const nodes: DeviceNode[] = []
    const visit = (node: DeviceNode): void => {
      for (const child of node.children) {
        nodes.push(child)
        visit(child)
      }
    }
    visit(this.root)
    return nodes
  }

  #probe(node: DeviceNode): Driver | undefined {
    const bus = node.parent?.driver?.name ?? 'nexus'
    let best: { driver: Driver; priority: number; description: string } | undefined
    for (const { drivers } of this.#modules.values()) {
      for (const driver of drivers) {
        if (driver.bus !== bus) continue
        const result = driver.probe(node)
        if (result !== undefined && (best === undefined || result.priority > best.priority))
          best = { driver, ...result }
      }
    }
    if (best === undefined) return undefined
    node.bind(best.driver, this.#takeUnit(best.driver.name), best.description)
    return best.driver
  }

  #takeUnit(name: string): number {
    const used = this.#units.get(name) ?? new Set<number>()
    this.#units.set(name, used)
    let unit = 0
    while (used.has(unit)) unit++
    used.add(unit)
    return unit
  }
}
