import type { DeviceTree, KernelModule } from '@bis/newbus'
import { CliError } from './cli-error.ts'

/** A line of kldstat. */
export interface LoadedModule {
  readonly id: number
  /** Itself and the modules that need it. */
  readonly references: number
  readonly name: string
}

/** The kernel modules of a running guest, wherever it is. */
export interface ModuleTable {
  loaded(): Promise<readonly LoadedModule[]> | readonly LoadedModule[]
  load(name: string): Promise<void>
  unload(name: string): Promise<void>
}

/** The modules of a running guest, as kldstat, kldload and kldunload have them. */
export class LoadableModules implements ModuleTable {
  readonly #tree: DeviceTree
  readonly #known = new Map<string, KernelModule>()
  readonly #ids = new Map<string, number>()
  #nextId = 2

  /** @param more modules that are not loaded yet */
  constructor(tree: DeviceTree, more: readonly KernelModule[] = []) {
    this.#tree = tree
    for (const module of [...more, ...tree.modules]) {
      if (module.name !== 'kernel') this.#known.set(module.name, module)
    }
  }

  /** The kernel first, then in the order of loading. */
  loaded(): readonly LoadedModule[] {
    const modules = this.#tree.modules.filter(({ name }) => name !== 'kernel')
    for (const { name } of modules) if (!this.#ids.has(name)) this.#ids.set(name, this.#nextId++)
    const references = (name: string): number =>
      1 + modules.filter(({ dependencies }) => dependencies?.includes(name)).length
    return [
      { id: 1, references: 1 + modules.length, name: 'kernel' },
      ...modules.map(({ name }) => ({ id: this.#ids.get(name) ?? 0, references: references(name), name })),
    ]
  }

  /** Loads a module, and before it those that it needs. @throws CliError, ModuleError `loaded` */
  async load(name: string): Promise<void> {
    const module = this.#find(name)
    for (const needed of module.dependencies ?? []) {
      if (!this.#tree.modules.some((other) => other.name === needed)) await this.load(needed)
    }
    await this.#tree.load(module)
  }

  /** @throws CliError, ModuleError `not-loaded`, `in-use` */
  async unload(name: string): Promise<void> {
    if (name === 'kernel') throw new CliError('failed', 'the kernel cannot be unloaded')
    await this.#tree.unload(this.#find(name).name)
    this.#ids.delete(name)
  }

  /** With or without `.ko`. */
  #find(name: string): KernelModule {
    const module = this.#known.get(name.replace(/\.ko$/, ''))
    if (module === undefined)
      throw new CliError('failed', `no module ${name}; there is ${[...this.#known.keys()].join(', ')}`)
    return module
  }
}
