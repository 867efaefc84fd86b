import type { ConvertOptions } from '@bis/vhdx'
import { convertFile } from '@bis/vhdx/node'
import { CliError } from '../../cli-error.ts'
import type { Arguments } from '../../command.ts'
import { withProgress } from '../../progress.ts'
import { blockSizeOf, formatOf, typeOf } from './image-options.ts'
import type { DiskVerb } from './verb.ts'

export const convert: DiskVerb = {
  usage: 'SOURCE TARGET [--format raw|vhd|vhdx] [--type fixed|dynamic] [--block-size SIZE] [--azure]',
  summary: 'copy into a new image of another format or type; what reads as zero stays unallocated',
  options: {
    format: { type: 'string', value: 'FORMAT', help: 'raw, vhd or vhdx' },
    type: { type: 'string', value: 'TYPE', help: 'fixed or dynamic' },
    'block-size': { type: 'string', value: 'SIZE', help: 'allocation unit, a power of two' },
    azure: { type: 'boolean', help: "check by, or convert to, Azure's rules" },
  },
  async run(files, args, signal) {
    const [source, target, extra] = files
    if (source === undefined || target === undefined || extra !== undefined) {
      throw new CliError('usage', 'bis disk convert: give a SOURCE and a TARGET')
    }
    const options = optionsOf(target, args)
    await withProgress('converting', (onProgress) => convertFile(source, target, { ...options, signal, onProgress }))
  },
}

function optionsOf(target: string, args: Arguments): ConvertOptions {
  if (args.flag('azure')) return { azure: true }
  return { format: formatOf(target, args), ...typeOf(args), ...blockSizeOf(args) }
}
