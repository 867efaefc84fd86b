import { DiskImageError } from '../errors.ts'
import type { ImageFormat } from '../virtual-disk.ts'

/** A file named .vhd or .vhdx that is neither has lost its signature. @returns what is wrong, if anything is */
export function nameMismatch(path: string, found: ImageFormat): DiskImageError | undefined {
  const named = /\.a?(vhdx?)$/i.exec(path)?.[1]?.toLowerCase()
  if (named === undefined || found !== 'raw') return undefined
  return new DiskImageError(
    'not-an-image',
    `named .${named} but has no ${named.toUpperCase()} signature; open it with format "raw" if it is a raw disk`,
  )
}
