import type { DeviceTree, KernelModule } from '@bis/newbus'
import { CliError } from './cli-error.ts'

/** A line of kldstat. */
export interface LoadedModule {
  readonly id: number
  /** Who asked for it, and the modules that need it. */
  readonly references: number
  readonly name: string
  /** Its drivers, each with its bus: `vmbus/storvsc`. */
  readonly drivers: readonly string[]
}

/** The kernel modules of a running guest, wherever it is. */
export interface ModuleTable {
  loaded(): Promise<readonly LoadedModule[]> | readonly LoadedModule[]
  load(name: string): Promise<void>
  unload(name: string): Promise<void>
}

/**
 * The modules of a running guest, as kldstat, kldload and kldunload have them: what was loaded because another needs it
 * goes with the last that does, and loading and unloading take turns. Source: FreeBSD sys/kern/kern_linker.c.
 */
export class LoadableModules implements ModuleTable {
  readonly #tree: DeviceTree
  readonly #isThere: (name: string) => Promise<boolean>
  readonly #known = new Map<string, KernelModule>()
  readonly #ids = new Map<string, number>()
  /** Loaded by the loader or by the user, not because another module needs it. */
  readonly #asked = new Set<string>()
  #nextId = 2
  #last: Promise<unknown> = Promise.resolve()

  /**
   * @param more modules that are not loaded yet
   * @param isThere whether the guest has a file of this module to load
   */
  constructor(
    tree: DeviceTree,
    more: readonly KernelModule[] = [],
    isThere: (name: string) => Promise<boolean> = async () => true,
  ) {
    this.#tree = tree
    this.#isThere = isThere
    for (const module of [...more, ...tree.modules]) this.#known.set(module.name, module)
    this.#known.delete('kernel')
    for (const { name } of this.#modules()) {
      this.#asked.add(name)
      this.#ids.set(name, this.#nextId++)
    }
  }

  /** The kernel first, then in the order of loading. */
  loaded(): readonly LoadedModule[] {
    const modules = this.#modules()
    const kernel = this.#tree.modules.find(({ name }) => name === 'kernel')
    return [
      { id: 1, references: 1 + modules.length, name: 'kernel', drivers: driversOf(kernel) },
      ...modules.map((module) => {
        const { name } = module
        const references = (this.#asked.has(name) ? 1 : 0) + this.#users(name).length
        return { id: this.#ids.get(name) ?? 0, references, name, drivers: driversOf(module) }
      }),
    ]
  }

  /** Loads a module, and before it those that it needs. @throws CliError, ModuleError `loaded` */
  load(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const module = this.#find(name)
      try {
        await this.#link(module)
        this.#asked.add(module.name)
      } finally {
        await this.#dropUnneeded()
      }
    })
  }

  /** And those with it that were loaded only for it. @throws CliError, ModuleError `not-loaded`, `in-use` */
  unload(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const { name: module } = this.#find(name)
      await this.#drop(module)
      await this.#dropUnneeded()
    })
  }

  async #link(module: KernelModule): Promise<void> {
    const { name, dependencies = [] } = module
    if (!this.#isLoaded(name) && !(await this.#isThere(name)))
      throw new CliError('failed', `can't find '${name}': the guest's root folder has no file of it`)
    for (const needed of dependencies) if (!this.#isLoaded(needed)) await this.#link(this.#find(needed))
    await this.#tree.load(module)
    this.#ids.set(name, this.#nextId++)
  }

  async #drop(name: string): Promise<void> {
    await this.#tree.unload(name)
    this.#ids.delete(name)
    this.#asked.delete(name)
  }

  async #dropUnneeded(): Promise<void> {
    for (;;) {
      const unneeded = this.#modules().find(({ name }) => !this.#asked.has(name) && this.#users(name).length === 0)
      if (unneeded === undefined) return
      await this.#drop(unneeded.name)
    }
  }

  #modules(): readonly KernelModule[] {
    return this.#tree.modules.filter(({ name }) => name !== 'kernel')
  }

  #isLoaded(name: string): boolean {
    return this.#modules().some((module) => module.name === name)
  }

  #users(name: string): readonly KernelModule[] {
    return this.#modules().filter(({ dependencies }) => dependencies?.includes(name))
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work, work)
    this.#last = turn.catch(() => {})
    return turn
  }

  /** With or without `.ko`. */
  #find(name: string): KernelModule {
    const plain = name.replace(/\.ko$/, '')
    if (plain === 'kernel') throw new CliError('failed', 'the kernel is always there: it is not loaded or unloaded')
    const module = this.#known.get(plain)
    if (module === undefined)
      throw new CliError('failed', `no module ${name}; there is ${[...this.#known.keys()].join(', ')}`)
    return module
  }
}

function driversOf(module: KernelModule | undefined): string[] {
  return (module?.drivers ?? []).map(({ bus, name }) => `${bus}/${name}`)
}
