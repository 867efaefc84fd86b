import type { ReleaseProfile } from '../releases/profile.ts'
import { manualPage } from './manual-pages.ts'
import { moduleFile } from './module-file.ts'
import { packageListFor } from './package-list.ts'
import { DAEMON, GET_DHCP_INFO, GET_DNS_INFO, rcScript, SET_IFCONFIG } from './script-texts.ts'

export const PORT_NAME = 'hyperv-is'

/** A file to be staged. */
export interface PortFile {
  /** Below the root folder, without a leading slash. */
  readonly path: string
  readonly mode: number
  readonly text: string
  /** Staged compressed. */
  readonly gzip: boolean
}

/** By their paths, with a leading slash. */
function scriptsOf({ daemon, scripts }: ReleaseProfile): Readonly<Record<string, string>> {
  return {
    '/usr/local/etc/rc.d/hv_kvpd': rcScript(daemon.value),
    [daemon.value]: DAEMON,
    [`${scripts.value}/hv_get_dhcp_info`]: GET_DHCP_INFO,
    [`${scripts.value}/hv_get_dns_info`]: GET_DNS_INFO,
    [`${scripts.value}/hv_set_ifconfig`]: SET_IFCONFIG,
  }
}

/** What is staged for a release. @throws PortError `built-in` when it has no port. */
export function portFiles(profile: ReleaseProfile): PortFile[] {
  const version = profile.port.value?.bisVersion ?? ''
  const scripts = scriptsOf(profile)
  return packageListFor(profile).map((path) => portFile(path, version, scripts[`/${path}`]))
}

function portFile(path: string, version: string, script: string | undefined): PortFile {
  if (script !== undefined) return { path, mode: 0o555, text: script, gzip: false }
  const module = /^boot\/modules\/(\w+)\.ko$/.exec(path)?.[1]
  if (module !== undefined) {
    return { path, mode: 0o555, text: `${JSON.stringify(moduleFile(module, version), null, 2)}\n`, gzip: false }
  }
  const [, name = '', section = ''] = /\/([\w-]+)\.(\d)\.gz$/.exec(path) ?? []
  const text = manualPage(name, Number(section))
  if (text === undefined) throw new RangeError(`nothing to stage for ${path}`)
  return { path, mode: 0o444, text, gzip: true }
}
