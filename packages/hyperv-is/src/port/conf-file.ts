import type { ReleaseProfile } from '../releases/profile.ts'

/** Lines of ours in a file of the user's, under a comment by which they are found again. */
export interface SettingsBlock {
  /** Path below the root folder. */
  readonly path: string
  readonly marker: string
  readonly settings: readonly string[]
}

/** The port's comments, as it deletes them itself: by their beginning. Source: files/pkg-message.A and B. */
const MARKER = /^#\s*(Loader labels for Hyper-V (BIS|KVP) driver|Label for KVP daemon)/i

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
  return withLines(deinstalled(text, block), [block.marker, ...block.settings])
}

/** The file without the block's lines. */
export function deinstalled(text: string, block: SettingsBlock): string {
  const isOurs = linesOf(block)
  const rest = text.split('\n').filter((line) => !isOurs(line) && !MARKER.test(line))
  // Whatever stood there before, a file of nothing but our lines leaves nothing.
  return rest.join('\n')
}

/**
 * The file as it would be had the port never been there: as it was before when nobody touched it since; else without the
 * block's lines, and with the user's own of the same names, which the block took the place of.
 * @param edit the texts before and after the port put its lines in; before is null when there was no file
 * @returns null when there should be no file
 */
export function restored(
  now: string,
  edit: { readonly before: string | null; readonly after: string },
  block: SettingsBlock,
): string | null {
  const { before, after } = edit
  if (now === after) return before
  const isOurs = linesOf(block)
  const theirs = (before ?? '').split('\n').filter((line) => isOurs(line) && !MARKER.test(line))
  const text = withLines(deinstalled(now, block), theirs)
  return before === null && text === '' ? null : text
}

/** Settings of the block that a file does not have; the last line of a name counts. */
export function missingSettings(text: string, { settings }: SettingsBlock): readonly string[] {
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const { name, value } = settingOf(line)
    if (name !== undefined) values.set(name, value)
  }
  return settings.filter((line) => {
    const { name = '', value } = settingOf(line)
    return values.get(name)?.toUpperCase() !== value
  })
}

function linesOf({ settings }: SettingsBlock): (line: string) => boolean {
  const names = new Set(settings.map((line) => settingOf(line).name))
  return (line) => {
    const { name } = settingOf(line)
    return name !== undefined && names.has(name)
  }
}

/** Name and value of a line with one setting and nothing else; a line with more stays the user's. */
function settingOf(line: string): { readonly name?: string | undefined; readonly value: string } {
  const [, name, double, single, bare] =
    /^\s*(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;#"'&|]*))\s*(?:#.*)?$/.exec(line) ?? []
  return { name, value: double ?? single ?? bare ?? '' }
}

function withLines(text: string, lines: readonly string[]): string {
  if (lines.length === 0) return text
  const separator = text === '' || text.endsWith('\n') ? '' : '\n'
  return `${text}${separator}${lines.join('\n')}\n`
}
