import type { SectorSize } from '@bis/vhdx'
import { createChildFile, createFile } from '@bis/vhdx/node'
import { CliError } from '../../cli-error.ts'
import type { Arguments } from '../../command.ts'
import { parseSize } from '../../size.ts'
import { blockSizeOf, choice, formatOf, typeOf } from './image-options.ts'
import type { DiskVerb } from './verb.ts'

export const create: DiskVerb = {
  usage:
    'FILE SIZE|--parent FILE [--format raw|vhd|vhdx] [--type fixed|dynamic] [--block-size SIZE] [--sector-size 512|4096]',
  summary: 'make an empty image, or one that holds the differences to a parent; the name tells the format',
  options: {
    parent: { type: 'string', value: 'FILE', help: 'make a differencing image of this one' },
    format: { type: 'string', value: 'FORMAT', help: 'raw, vhd or vhdx' },
    type: { type: 'string', value: 'TYPE', help: 'fixed or dynamic' },
    'block-size': { type: 'string', value: 'SIZE', help: 'allocation unit, a power of two' },
    'sector-size': { type: 'string', value: 'BYTES', help: 'logical sector size, 512 or 4096' },
  },
  async run(files, args) {
    const [file, size, extra] = files
    const parent = args.text('parent')
    if (file === undefined || extra !== undefined || (size === undefined) === (parent === undefined)) {
      throw new CliError('usage', 'bis disk create: give a FILE, and either its SIZE or its --parent')
    }
    const disk =
      parent === undefined
        ? await createFile(file, optionsOf(file, size ?? '', args))
        : await createChildFile(file, parent)
    await disk.close()
  },
}

function optionsOf(file: string, size: string, args: Arguments): Parameters<typeof createFile>[1] {
  const sector = choice(args, 'sector-size', ['512', '4096'] as const)
  return {
    sizeBytes: parseSize(size, 'SIZE'),
    format: formatOf(file, args),
    ...typeOf(args),
    ...blockSizeOf(args),
    ...(sector === undefined ? {} : { logicalSectorSize: Number(sector) as SectorSize }),
  }
}
