import type { Backend } from '../backend.ts'
import { utf16, utf16At } from '../shared/bytes.ts'
import type { ParentPath } from '../virtual-disk.ts'
import type { DynamicHeader } from './dynamic-header.ts'

/** Longest path worth reading. */
const MAX_BYTES = 64 * 1024

/** Platform codes of parent locators that hold Windows paths, in the order to try. */
const CODES = [
  ['W2ru', 'relative'],
  ['W2ku', 'absolute'],
] as const

/** Paths of a differencing VHD's parent, and as a last resort the name in the header, taken as beside the child. */
export async function readVhdParentPaths(backend: Backend, header: DynamicHeader): Promise<ParentPath[]> {
  const paths: ParentPath[] = []
  const fileSize = await backend.size()
  for (const [code, kind] of CODES) {
    for (const locator of header.locators) {
      if (
        locator.code !== code ||
        locator.length === 0 ||
        locator.length > MAX_BYTES ||
        locator.offset + locator.length > fileSize
      )
        continue
      const bytes = new Uint8Array(locator.length)
      await backend.read(locator.offset, bytes)
      const path = utf16At(bytes, 0, bytes.length, true)
      if (path !== '') paths.push({ kind, path })
    }
  }
  const beside = header.parentName.split(/[\\/]/).at(-1) ?? ''
  if (beside !== '' && !paths.some(({ path }) => path === `.\\${beside}`))
    paths.push({ kind: 'relative', path: `.\\${beside}` })
  return paths
}

/** Locators and their texts for a new child, the texts in whole sectors from `offset` on. */
export function layOutLocators(
  paths: readonly ParentPath[],
  offset: number,
): { locators: DynamicHeader['locators']; texts: { offset: number; bytes: Uint8Array }[]; end: number } {
  const locators: DynamicHeader['locators'] = []
  const texts: { offset: number; bytes: Uint8Array }[] = []
  let place = offset
  for (const [code, kind] of CODES) {
    const path = paths.find((one) => one.kind === kind)
    if (path === undefined) continue
    const bytes = utf16(path.path, true)
    const sectors = Math.ceil(bytes.length / 512)
    locators.push({ code, space: sectors, length: bytes.length, offset: place })
    texts.push({ offset: place, bytes })
    place += sectors * 512
  }
  return { locators, texts, end: place }
}
