import { extname } from 'node:path'
import type { ImageFormat } from '@bis/vhdx'
import { CliError } from '../../cli-error.ts'
import type { Arguments } from '../../command.ts'
import { parseSize } from '../../size.ts'

const FORMATS: readonly ImageFormat[] = ['raw', 'vhd', 'vhdx']

/** The format given, or the one that the file's name tells. @throws CliError `usage`. */
export function formatOf(file: string, args: Arguments): ImageFormat {
  const given = choice(args, 'format', FORMATS)
  if (given !== undefined) return given
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

export function typeOf(args: Arguments): { type?: 'fixed' | 'dynamic' } {
  const type = choice(args, 'type', ['fixed', 'dynamic'] as const)
  return type === undefined ? {} : { type }
}

export function blockSizeOf(args: Arguments): { blockSize?: number } {
  const text = args.text('block-size')
  return text === undefined ? {} : { blockSize: parseSize(text, '--block-size') }
}

/** @throws CliError `usage` for a value that is none of these. */
export function choice<T extends string>(args: Arguments, name: string, values: readonly T[]): T | undefined {
  const text = args.text(name)
  if (text === undefined) return undefined
  const value = values.find((each) => each === text)
  if (value === undefined)
    throw new CliError('usage', `--${name} ${JSON.stringify(text)}: choose ${values.join(' or ')}`)
  return value
}
