import { checkAzureFile, checkFile } from '@bis/vhdx/node'
import { CliError } from '../../cli-error.ts'
import { withProgress } from '../../progress.ts'
import type { DiskVerb } from './verb.ts'

export const check: DiskVerb = {
  usage: 'FILE [--repair] [--azure] [--json]',
  summary: 'look for damage and list it; with --azure, tell whether Azure takes the image, or why not',
  options: {
    repair: { type: 'boolean', help: 'put right what can be put right without guessing' },
    azure: { type: 'boolean', help: "check by, or convert to, Azure's rules" },
    json: { type: 'boolean', help: 'print JSON' },
  },
  async run(files, args, signal) {
    const [file, extra] = files
    if (file === undefined || extra !== undefined) throw new CliError('usage', 'bis disk check: give one FILE')
    if (args.flag('azure')) await checkForAzure(file, args.flag('json'))
    else await checkForDamage(file, args.flag('repair'), args.flag('json'), signal)
  },
}

async function checkForAzure(file: string, json: boolean): Promise<void> {
  const refusals = await checkAzureFile(file)
  if (json) process.stdout.write(`${JSON.stringify({ ready: refusals.length === 0, refusals }, null, 2)}\n`)
  else if (refusals.length === 0) process.stdout.write(`${file}: ready for Azure\n`)
  else for (const { message, remedy } of refusals) process.stdout.write(`${message}; ${remedy}\n`)
  if (refusals.length > 0) throw new CliError('failed', `${file}: Azure refuses it, for ${counted(refusals, 'reason')}`)
}

async function checkForDamage(file: string, repair: boolean, json: boolean, signal: AbortSignal): Promise<void> {
  const report = await withProgress('checking', (onProgress) => checkFile(file, { repair, signal, onProgress }))
  const { findings } = report
  if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  else {
    for (const { severity, place, message, repaired } of findings) {
      process.stdout.write(`${severity}: ${place}: ${message}${repaired ? ' (repaired)' : ''}\n`)
    }
    if (findings.length === 0) process.stdout.write(`${file}: no damage found\n`)
  }
  const errors = findings.filter(({ severity, repaired }) => severity === 'error' && !repaired)
  if (errors.length > 0) throw new CliError('failed', `${file}: ${counted(errors, 'error')}`)
}

function counted({ length }: readonly unknown[], what: string): string {
  return `${length} ${what}${length === 1 ? '' : 's'}`
}
