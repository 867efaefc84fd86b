import { lookup, lookupService } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { hostname, machine, networkInterfaces, release, type } from 'node:os'
import { join } from 'node:path'
import type { AutoValues } from '../../daemon/pool-server.ts'
import { joinList } from '../../ip/ip-information.ts'

/** A value's longest text, NUL included, in a message to the host. */
const VALUE_UNITS = 1024
const RETRY_MS = 60_000

/**
 * What the auto pool says of this system, under the names that the distributions' daemons use. The domain name is asked
 * for in the background and empty until it is known: a resolver that is slow or down delays nothing.
 */
export class SystemValues {
  readonly #root: string
  readonly #resolve: () => Promise<string>
  #domainName = ''
  #asked = Number.NEGATIVE_INFINITY
  #servicesVersion = ''

  constructor(options: { readonly root?: string; readonly resolve?: () => Promise<string> } = {}) {
    this.#root = options.root ?? '/'
    this.#resolve = options.resolve ?? ownDomainName
  }

  /** What the kernel told when the daemon registered. */
  set servicesVersion(version: string) {
    this.#servicesVersion = version
  }

  readonly current = (): AutoValues => {
    this.#ask()
    const osRelease = readOsRelease(this.#root)
    return {
      FullyQualifiedDomainName: this.#domainName,
      IntegrationServicesVersion: this.#servicesVersion,
      NetworkAddressIPv4: joinList(addresses('IPv4'), VALUE_UNITS),
      NetworkAddressIPv6: joinList(addresses('IPv6'), VALUE_UNITS),
      OSBuildNumber: process.platform === 'linux' ? release() : beforeDash(release()),
      OSName: osRelease.get('NAME') ?? type(),
      OSMajorVersion: osRelease.get('VERSION_ID') ?? '',
      OSMinorVersion: '',
      OSVersion: beforeDash(release()),
      ProcessorArchitecture: machine(),
    }
  }

  #ask(): void {
    if (this.#domainName !== '' || performance.now() - this.#asked < RETRY_MS) return
    this.#asked = performance.now()
    this.#resolve().then(
      (name) => {
        this.#domainName = name
      },
      () => undefined, // not known yet: asked again later
    )
  }
}

/** The canonical name of this host. */
async function ownDomainName(): Promise<string> {
  const name = hostname()
  const { address } = await lookup(name)
  if (name.includes('.')) return name
  const found = await lookupService(address, 0).catch(() => undefined)
  return found !== undefined && found.hostname !== 'localhost' && found.hostname !== address ? found.hostname : name
}

function addresses(family: 'IPv4' | 'IPv6'): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  return all.filter((entry) => !entry.internal && entry.family === family).map(({ address }) => address)
}

function beforeDash(text: string): string {
  return text.split('-', 1)[0] ?? text
}

/** Variables of os-release(5), quotes and escapes taken away. */
function readOsRelease(root: string): Map<string, string> {
  let text: string
  try {
    text = readFileSync(join(root, 'etc/os-release'), 'utf8')
  } catch {
    return new Map()
  }
  const lines = text.split('\n').map((line) => /^([A-Z_]+)=(.*)$/.exec(line))
  return new Map(
    lines.flatMap((match) => {
      if (match === null) return []
      const [, name = '', value = ''] = match
      return [[name, value.replace(/^(["'])(.*)\1$/, '$2').replace(/\\(.)/g, '$1')] as const]
    }),
  )
}
