import { extname } from 'node:path'
import type { CreateOptions, ImageFormat, SectorSize } from '@bis/vhdx'
import { createFile } from '@bis/vhdx/node'
import { CliError } from '../../cli-error.ts'
import type { Arguments } from '../../command.ts'
import { parseSize } from '../../size.ts'
import type { DiskVerb } from './verb.ts'

const FORMATS: readonly ImageFormat[] = ['raw', 'vhd', 'vhdx']

export const create: DiskVerb = {
  usage: 'FILE SIZE [--format raw|vhd|vhdx] [--type fixed|dynamic] [--block-size SIZE] [--sector-size 512|4096]',
  summary: 'make an empty image; the format follows from the name unless it is given',
  options: {
    format: { type: 'string', value: 'FORMAT', help: 'raw, vhd or vhdx' },
    type: { type: 'string', value: 'TYPE', help: 'fixed or dynamic' },
    'block-size': { type: 'string', value: 'SIZE', help: 'allocation unit, a power of two' },
    'sector-size': { type: 'string', value: 'BYTES', help: 'logical sector size, 512 or 4096' },
  },
  async run(files, args) {
    const [file, size, extra] = files
    if (file === undefined || size === undefined || extra !== undefined) {
      throw new CliError('usage', 'bis disk create: give a FILE and its SIZE')
    }
    const disk = await createFile(file, { sizeBytes: parseSize(size, 'SIZE'), ...optionsOf(file, args) })
    await disk.close()
  },
}

function optionsOf(file: string, args: Arguments): Omit<CreateOptions, 'sizeBytes'> {
  const type = choice(args, 'type', ['fixed', 'dynamic'] as const)
  const sector = choice(args, 'sector-size', ['512', '4096'] as const)
  const blockSize = args.text('block-size')
  return {
    format: choice(args, 'format', FORMATS) ?? formatOf(file),
    ...(type === undefined ? {} : { type }),
    ...(sector === undefined ? {} : { logicalSectorSize: Number(sector) as SectorSize }),
    ...(blockSize === undefined ? {} : { blockSize: parseSize(blockSize, '--block-size') }),
  }
}

function choice<T extends string>(args: Arguments, name: string, values: readonly T[]): T | undefined {
  const text = args.text(name)
  if (text === undefined) return undefined
  const value = values.find((each) => each === text)
  if (value === undefined)
    throw new CliError('usage', `--${name} ${JSON.stringify(text)}: choose ${values.join(' or ')}`)
  return value
}

function formatOf(file: string): ImageFormat {
  switch (extname(file).toLowerCase()) {
    case '.vhdx':
      return 'vhdx'
    case '.vhd':
      return 'vhd'
    case '.img':
    case '.raw':
      return 'raw'
    default:
      throw new CliError('usage', `the name ${JSON.stringify(file)} tells no format; give --format raw, vhd or vhdx`)
  }
}
