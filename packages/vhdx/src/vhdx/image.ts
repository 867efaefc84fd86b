import type { Backend } from '../backend.ts'
import { readZeroPadded } from '../backend.ts'
import { at, DiskImageError } from '../errors.ts'
import type { Environment } from '../shared/environment.ts'
import { isZero, randomGuid } from '../shared/guid.ts'
import { MetadataPages } from '../shared/metadata-pages.ts'
import { BAT_ENTRY_BYTES, Bat } from './bat.ts'
import type { BatGeometry } from './bat-geometry.ts'
import { batGeometry } from './bat-geometry.ts'
import { creatorOf, FILE_IDENTIFIER_BYTES } from './file-identifier.ts'
import { Headers } from './headers.ts'
import { FIRST_FREE, REGION_TABLE_BYTES, REGION_TABLE_OFFSETS, SECTOR } from './layout.ts'
import { logEffect } from './log-effect.ts'
import { LogOverlay } from './log-overlay.ts'
import { applyLog, readActiveLog } from './log-replay.ts'
import type { Metadata } from './metadata.ts'
import { readMetadata } from './metadata.ts'
import type { RegionTable } from './region-table.ts'
import { chooseRegionTable } from './region-table.ts'
import type { UsedRange } from './space-scan.ts'

const PAGE = 64 * 1024
const MAX_PAGES = 256

/** The structures of an open VHDX file, log already replayed. */
export interface VhdxImage {
  creator: string
  backend: Backend
  headers: Headers
  regions: RegionTable
  metadata: Metadata
  geometry: BatGeometry
  pages: MetadataPages
  bat: Bat
}

/** Reads and checks everything but the block allocation table's entries, replaying the log first if there is one. */
export async function readVhdx(
  medium: Backend,
  options: { readOnly: boolean; environment: Environment },
): Promise<VhdxImage> {
  const size = await medium.size()
  if (size < FIRST_FREE) {
    throw new DiskImageError('truncated', `the file has ${size} bytes; the headers of a VHDX alone take ${FIRST_FREE}`)
  }
  const identifier = new Uint8Array(FILE_IDENTIFIER_BYTES)
  await medium.read(0, identifier)
  const headers = await Headers.read(medium)
  const backend = isZero(headers.current.logGuid) ? medium : await replay(medium, headers, options)

  const tables: [Uint8Array, Uint8Array] = [new Uint8Array(REGION_TABLE_BYTES), new Uint8Array(REGION_TABLE_BYTES)]
  await readZeroPadded(backend, REGION_TABLE_OFFSETS[0], tables[0])
  await readZeroPadded(backend, REGION_TABLE_OFFSETS[1], tables[1])
  const regions = chooseRegionTable(tables)
  mustNotOverlap(fixedRanges(headers, regions))
  const metadata = await readMetadata(backend, regions.metadata)
  const geometry = batGeometry(metadata)
  const { bat: region } = regions
  if (region.length < geometry.entries * BAT_ENTRY_BYTES) {
    throw new DiskImageError(
      'corrupt',
      `VHDX block allocation table at ${at(region.offset)}: ${region.length} bytes, but a disk of ${metadata.diskSize} bytes in blocks of ${metadata.blockSize} needs ${geometry.entries * BAT_ENTRY_BYTES}`,
    )
  }
  if (region.offset + geometry.entries * BAT_ENTRY_BYTES > (await backend.size())) {
    throw new DiskImageError(
      'truncated',
      `VHDX block allocation table at ${at(region.offset)}: the file ends inside it; its end was lost`,
    )
  }
  const pages = new MetadataPages(backend, { pageSize: PAGE, granule: SECTOR, maxPages: MAX_PAGES })
  return {
    creator: creatorOf(identifier),
    backend,
    headers,
    regions,
    metadata,
    geometry,
    pages,
    bat: new Bat(pages, region.offset),
  }
}

/** What lies at fixed places of an open file, for maps of its space. */
export function fixedRanges(headers: Headers, regions: RegionTable): UsedRange[] {
  const { logOffset, logLength } = headers.current
  return [
    { offset: logOffset, length: logLength, name: 'log' },
    ...regions.regions.map((region) => ({
      offset: region.offset,
      length: region.length,
      name:
        region === regions.bat ? 'block allocation table' : region === regions.metadata ? 'metadata' : 'unknown region',
    })),
  ]
}

async function replay(
  medium: Backend,
  headers: Headers,
  options: { readOnly: boolean; environment: Environment },
): Promise<Backend> {
  const effect = logEffect(await readActiveLog(medium, headers.current))
  if (options.readOnly) return LogOverlay.over(medium, effect)
  await headers.update({ fileWriteGuid: randomGuid(options.environment) })
  await applyLog(medium, effect)
  await medium.flush()
  await headers.update({ logGuid: new Uint8Array(16) })
  await headers.update({ logGuid: new Uint8Array(16) })
  return medium
}

function mustNotOverlap(ranges: readonly UsedRange[]): void {
  const sorted = [...ranges].sort((a, b) => a.offset - b.offset)
  sorted.forEach((range, i) => {
    const next = sorted[i + 1]
    if (next !== undefined && range.offset + range.length > next.offset) {
      throw new DiskImageError(
        'corrupt',
        `the VHDX ${range.name} (${range.length} bytes at ${at(range.offset)}) reaches into the ${next.name} at ${at(next.offset)}`,
      )
    }
  })
}
