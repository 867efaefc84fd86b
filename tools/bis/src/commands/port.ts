import { RELEASES } from '@bis/hyperv-is'
import type { Change, CheckReport } from '@bis/hyperv-is/node'
import { checkPort, deinstallPort, installPort } from '@bis/hyperv-is/node'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'

const print = (line: string): void => void process.stdout.write(`${line}\n`)

/** `bis port VERB`: the hyperv-is port in a root folder. */
export const port: Command = {
  name: 'port',
  summary: 'stage, check or remove the hyperv-is port in a FreeBSD root folder',
  usage: 'install|deinstall|check --root DIR --release R [--dry-run]',
  options: {
    root: { type: 'string', value: 'DIR', help: 'root folder of a FreeBSD system' },
    release: { type: 'string', value: 'R', help: `its release: ${RELEASES.join(', ')}` },
    'dry-run': { type: 'boolean', help: 'print what would be done, change nothing' },
    json: { type: 'boolean', help: 'print JSON' },
  },
  positionals: 1,
  details:
    'install wants labels in etc/fstab, and no file of others where its own go; deinstall puts back loader.conf and\n' +
    'rc.conf, and leaves files that were changed since. Ctrl-C puts back what was done so far.',
  async run(args, signal) {
    const [verb] = args.positionals
    const root = args.text('root')
    const release = args.text('release')
    if (verb !== 'install' && verb !== 'deinstall' && verb !== 'check')
      throw new CliError('usage', 'bis port: say install, deinstall or check')
    if (root === undefined || root === '' || release === undefined)
      throw new CliError('usage', `bis port ${verb}: --root DIR and --release R are needed`)
    const json = args.flag('json')
    const dryRun = args.flag('dry-run')
    if (verb === 'check') {
      const report = await checkPort(root, release)
      if (json) print(JSON.stringify(report, null, 2))
      else for (const line of describe(report)) print(line)
      if (!report.ok) throw new CliError('failed', `${root}: ${complaint(report)}`)
      return
    }
    const changes = await (verb === 'install' ? installPort : deinstallPort)({ root, release, dryRun, signal })
    if (json)
      print(
        JSON.stringify(
          changes.map(({ kind, path }) => ({ kind, path })),
          null,
          2,
        ),
      )
    else for (const line of changes.map(lineOf)) print(line)
    const made = changes.filter(({ kind }) => kind !== 'keep').length
    if (!json) print(`${dryRun ? 'would make' : 'made'} ${made} changes in ${root}`)
  },
}

function lineOf(change: Change): string {
  if (change.kind === 'keep') return `= /${change.path} (changed since, stays)`
  return `${change.kind === 'write' ? '+' : '-'} /${change.path}`
}

function complaint({ release, builtIn, installedFor }: CheckReport): string {
  if (builtIn) return `has the port for ${installedFor}, whose drivers FreeBSD ${release} has built in`
  if (installedFor === undefined) return `the port for ${release} is not installed`
  if (installedFor !== release) return `has the port for ${installedFor}, not for ${release}`
  return 'the port is not as it should be'
}

function describe(report: CheckReport): string[] {
  const { release, builtIn, installedFor, missing, changed, settings, unlabelled } = report
  const state = installedFor === undefined ? 'not installed' : `installed for ${installedFor}`
  return [
    `FreeBSD ${release}: ${builtIn ? 'built in' : state}`,
    ...missing.map((path) => `missing: /${path}`),
    ...changed.map((path) => `changed: /${path}`),
    ...settings.map((path) => `lines missing: /${path}`),
    ...unlabelled.map(({ device, mountPoint }) => `no label: ${device} (${mountPoint})`),
  ]
}
