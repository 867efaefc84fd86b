import type { ReleaseProfile } from '../releases/profile.ts'

/** Lines of ours in a file of the user's, under a comment by which they are found again. */
export interface SettingsBlock {
  /** Path below the root folder. */
  readonly path: string
  readonly marker: string
  readonly settings: readonly string[]
}

/** What the port's messages tell the user to put into loader.conf and rc.conf. Source: files/pkg-message.A and B. */
export function settingsFor({ port }: ReleaseProfile): readonly SettingsBlock[] {
  if (port.value === undefined) return []
  const daemon: SettingsBlock = {
    path: 'etc/rc.conf',
    marker: '# Label for KVP daemon -do not modify',
    settings: ['hv_kvp_daemon_enable="YES"'],
  }
  const modules =
    port.value.kind === 'kvp-only'
      ? ['hv_kvp']
      : ['hv_vmbus', 'hv_utils', 'hv_storvsc', 'hv_netvsc', 'hv_ata_pci_disengage']
  const kind = port.value.kind === 'kvp-only' ? 'KVP' : 'BIS'
  return [
    {
      path: 'boot/loader.conf',
      marker: `# Loader labels for Hyper-V ${kind} drivers -do not modify`,
      settings: modules.map((module) => `${module}_load="YES"`),
    },
    daemon,
  ]
}

/** The file with the block at its end, and nowhere else: other values of the same names are taken out. */
export function installed(text: string, block: SettingsBlock): string {
  const rest = deinstalled(text, block)
  const separator = rest === '' || rest.endsWith('\n') ? '' : '\n'
  return `${rest}${separator}${[block.marker, ...block.settings].join('\n')}\n`
}

/** The file without the block's lines. */
export function deinstalled(text: string, { marker, settings }: SettingsBlock): string {
  const names = new Set(settings.map(nameOf))
  const lines = text.split('\n')
  const rest = lines.filter((line) => line !== marker && !names.has(nameOf(line)))
  // Whatever stood there before, a file of nothing but our lines leaves nothing.
  return rest.join('\n')
}

function nameOf(line: string): string {
  return /^\s*(\w+)\s*=/.exec(line)?.[1] ?? '\0'
}
