import { loaderModules, loaderSettings } from '../port/loader-conf.ts'
import type { ModuleFile } from '../port/module-file.ts'
import { isPortModule, readModuleFile } from '../port/module-file.ts'
import { releaseProfile } from '../releases/releases.ts'
import { RootFolder } from './root-folder.ts'

/** A module that the loader of a root folder would load. */
export interface StagedModule extends Partial<ModuleFile> {
  readonly module: string
  /**
   * - `file`: there is a module file;
   * - `kernel`: in the release's kernel already;
   * - `foreign`: a module file of none of our drivers, `zfs` for instance;
   * - `missing`: the loader finds nothing.
   */
  readonly from: 'file' | 'kernel' | 'foreign' | 'missing'
}

/** kern.module_path of the loader. */
const MODULE_PATH = ['boot/kernel', 'boot/modules']
/** What the loader reads, later files over earlier. Source: loader.conf(5), loader_conf_files. */
const LOADER_CONF = ['boot/loader.conf', 'boot/loader.conf.local']

/**
 * What a machine with this root folder gets: the kernel's own modules, then those that loader.conf asks for, each after
 * what it needs.
 * @throws PortError `no-root`, `bad-file` for a module file of one of our drivers that is none of ours, …
 */
export async function stagedModules(path: string, release: string): Promise<readonly StagedModule[]> {
  const { builtIn } = releaseProfile(release)
  const root = await RootFolder.open(path)
  const modules = new Map(builtIn.value.map((module): [string, StagedModule] => [module, { module, from: 'kernel' }]))
  const add = async (module: string): Promise<void> => {
    if (modules.has(module)) return
    const found = await find(root, module)
    // As the loader does, whether or not loader.conf asks for them.
    for (const needed of found.depends ?? []) await add(needed)
    modules.set(module, found)
  }
  for (const module of loaderModules(await loaderConf(root))) await add(module)
  return [...modules.values()]
}

/** Where one module would come from when it is asked for now. @throws PortError as {@link stagedModules} */
export async function stagedModule(path: string, release: string, module: string): Promise<StagedModule> {
  if (releaseProfile(release).builtIn.value.includes(module)) return { module, from: 'kernel' }
  return find(await RootFolder.open(path), module)
}

/** What the loader gives the kernel as tunables: every setting of loader.conf. @throws PortError `no-root` */
export async function loaderTunables(path: string): Promise<Readonly<Record<string, string>>> {
  return Object.fromEntries(loaderSettings(await loaderConf(await RootFolder.open(path))))
}

async function loaderConf(root: RootFolder): Promise<string> {
  const texts = await Promise.all(LOADER_CONF.map((path) => root.readText(path)))
  return texts.map((text) => text ?? '').join('\n')
}

async function find(root: RootFolder, module: string): Promise<StagedModule> {
  for (const folder of MODULE_PATH) {
    const path = `${folder}/${module}.ko`
    const text = await root.readText(path)
    if (text === undefined) continue
    return isPortModule(module) ? { from: 'file', ...readModuleFile(path, module, text) } : { module, from: 'foreign' }
  }
  return { module, from: 'missing' }
}
