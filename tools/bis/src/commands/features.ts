import type { Cell } from '@bis/features'
import { countCells, FEATURES, markdownTable, runFeatures, summary, textTable } from '@bis/features'
import type { HostReleaseName } from '@bis/host'
import { HOST_RELEASES } from '@bis/host'
import type { ReleaseName } from '@bis/hyperv-is'
import { RELEASES } from '@bis/hyperv-is'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'

export const features: Command = {
  name: 'features',
  summary: 'the feature table: each cell from a probe that runs now',
  usage: '[--release R] [--host H] [--only ID]… [--json | --markdown]',
  options: {
    release: { type: 'string', value: 'R', help: `only this column: ${RELEASES.join(', ')}` },
    host: { type: 'string', value: 'H', help: `only this host: ${HOST_RELEASES.join(', ')}` },
    only: { type: 'string', multiple: true, value: 'ID', help: 'only this row (repeatable)' },
    json: { type: 'boolean', help: 'print JSON: what was done and seen for each cell' },
    markdown: { type: 'boolean', help: 'print the table as a README has it' },
  },
  details: '✓: the probe passed on every release of the column and every host asked for that offers the feature.',
  async run(args, signal) {
    const rows = args.list('only').map((id) =>
      pick(
        '--only',
        id,
        FEATURES.map((feature) => feature.id),
      ),
    )
    const release = args.text('release')
    const host = args.text('host')
    const chosen = rows.length === 0 ? FEATURES : FEATURES.filter(({ id }) => rows.includes(id))
    if (args.flag('json') && args.flag('markdown'))
      throw new CliError('usage', '--json and --markdown: one form at a time')
    const cells = await runFeatures({
      features: chosen,
      ...(release === undefined ? {} : { releases: [pick<ReleaseName>('--release', release, RELEASES)] }),
      ...(host === undefined ? {} : { hosts: [pick<HostReleaseName>('--host', host, HOST_RELEASES)] }),
      signal,
      onCell: ({ feature }, done, all) => show(`${done} of ${all}: ${feature}`),
    }).finally(() => show(''))
    if (args.flag('json')) print(JSON.stringify({ counts: countCells(cells), cells }, null, 2))
    else if (args.flag('markdown')) print(markdownTable(cells, chosen))
    else print(`${textTable(cells, chosen)}\n\n${summary(cells, chosen)}`)
    const failed = cells.filter(({ state }) => state === 'fails')
    if (failed.length > 0) throw new CliError('failed', failed.map(describe).join('; '))
  },
}

function pick<T extends string>(option: string, value: string, known: readonly T[]): T {
  const found = known.find((other) => other === value)
  if (found === undefined) throw new CliError('usage', `${option} ${JSON.stringify(value)}: choose ${known.join(', ')}`)
  return found
}

/** One line on the terminal's error stream, in place of the one before. */
function show(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

function describe({ feature, release, host, reason }: Cell): string {
  return `${feature} on ${release}, host ${host}: ${reason}`
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
