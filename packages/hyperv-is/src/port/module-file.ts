import { PortError } from '../errors.ts'

/** What a module file (`hv_storvsc.ko`) of ours holds: which package the module's drivers are in. */
export interface ModuleFile {
  readonly module: string
  readonly version: string
  readonly package: string
  /** Modules that must be loaded before. */
  readonly depends: readonly string[]
}

/** Packages and dependencies of the modules. Source: sys/modules/hyperv, MODULE_DEPEND in each driver. */
const MODULES: Readonly<Record<string, Pick<ModuleFile, 'package' | 'depends'>>> = {
  hv_vmbus: { package: '@bis/vmbus', depends: [] },
  hv_utils: { package: '@bis/utils', depends: ['hv_vmbus'] },
  hv_storvsc: { package: '@bis/storvsc', depends: ['hv_vmbus'] },
  hv_netvsc: { package: '@bis/netvsc', depends: ['hv_vmbus'] },
  hv_ata_pci_disengage: { package: '@bis/ata-disengage', depends: [] },
  hv_kvp: { package: '@bis/kvp', depends: ['hv_vmbus'] },
}

export function moduleFile(module: string, version: string): ModuleFile {
  const known = MODULES[module]
  if (known === undefined) throw new RangeError(`no module ${module} in the port`)
  return { module, version, ...known }
}

/** Whether a module is one of this port's. */
export function isPortModule(module: string): boolean {
  return Object.hasOwn(MODULES, module)
}

/** @param expected the module by the name of its file @throws PortError `bad-file` for a file that is none of ours. */
export function readModuleFile(path: string, expected: string, text: string): ModuleFile {
  let parsed: Partial<Record<keyof ModuleFile, unknown>> | null = null
  try {
    parsed = JSON.parse(text) as Partial<Record<keyof ModuleFile, unknown>> | null
  } catch {
    // Told below, with the path.
  }
  if (parsed?.module !== expected || !isPortModule(expected))
    throw new PortError('bad-file', `${path}: not a module of this port (a real kernel module?)`)
  const version = parsed?.version
  return moduleFile(expected, typeof version === 'string' ? version : '')
}
