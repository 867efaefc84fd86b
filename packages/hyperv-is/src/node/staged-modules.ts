import { loaderModules } from '../port/loader-conf.ts'
import type { ModuleFile } from '../port/module-file.ts'
import { readModuleFile } from '../port/module-file.ts'
import { releaseProfile } from '../releases/releases.ts'
import { RootFolder } from './root-folder.ts'

/** A module that the loader of a root folder would load. */
export interface StagedModule extends Partial<ModuleFile> {
  readonly module: string
  /** `file`: there is a module file; `kernel`: in the release's kernel already; `missing`: the loader finds nothing. */
  readonly from: 'file' | 'kernel' | 'missing'
}

/** kern.module_path of the loader. */
const MODULE_PATH = ['boot/kernel', 'boot/modules']

/** What a machine with this root folder gets: the kernel's own modules, then those that loader.conf asks for. */
export async function stagedModules(path: string, release: string): Promise<readonly StagedModule[]> {
  const { builtIn } = releaseProfile(release)
  const root = await RootFolder.open(path)
  const modules: StagedModule[] = builtIn.value.map((module) => ({ module, from: 'kernel' }))
  for (const module of loaderModules((await root.readText('boot/loader.conf')) ?? '')) {
    if (builtIn.value.includes(module)) continue
    modules.push(await find(root, module))
  }
  return modules
}

async function find(root: RootFolder, module: string): Promise<StagedModule> {
  for (const folder of MODULE_PATH) {
    const path = `${folder}/${module}.ko`
    const text = await root.readText(path)
    if (text !== undefined) return { from: 'file', ...readModuleFile(path, text) }
  }
  return { module, from: 'missing' }
}
