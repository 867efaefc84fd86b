import type { Backend } from '../backend.ts'
import { readZeroPadded } from '../backend.ts'
import { at, DiskImageError } from '../errors.ts'
import { MIB, roundUp } from '../shared/bytes.ts'
import type { Environment } from '../shared/environment.ts'
import { isZero, sameBytes } from '../shared/guid.ts'
import type { TaskOptions } from '../task.ts'
import { decodeHeader, HEADER_BYTES } from '../vhdx/header.ts'
import type { VhdxImage } from '../vhdx/image.ts'
import { readVhdx } from '../vhdx/image.ts'
import { BLOCK, HEADER_OFFSETS, REGION_TABLE_BYTES, REGION_TABLE_OFFSETS } from '../vhdx/layout.ts'
import { isIntact } from '../vhdx/region-table.ts'
import { VhdxStore } from '../vhdx/store.ts'
import type { Findings } from './findings.ts'
import type { CheckCounts } from './report.ts'
import type { VhdxTableWalk } from './walk-vhdx-table.ts'
import { walkVhdxTable } from './walk-vhdx-table.ts'

interface Options extends TaskOptions {
  repair?: boolean
  environment: Environment
}

export async function checkVhdx(backend: Backend, findings: Findings, options: Options): Promise<CheckCounts> {
  const repair = options.repair === true
  await checkHeaders(backend, findings)
  let image = await readVhdx(backend, { readOnly: true, environment: options.environment })
  if (image.backend !== backend) {
    findings.add(
      'warning',
      'log-dirty',
      `log at ${at(image.headers.current.logOffset)}`,
      'the image was not closed and its log waits to be replayed',
      true,
    )
    if (repair) {
      image = await readVhdx(backend, { readOnly: false, environment: options.environment })
      findings.repaired('log-dirty')
    }
  }
  await checkRegionTables(image, findings, repair)
  if (repair && findings.wants('header-damaged')) {
    await image.headers.update({})
    await image.headers.update({})
    findings.repaired('header-damaged')
  }
  const walk = await walkVhdxTable(image, findings, options)
  if (repair) await repairSpace(image, findings, walk, options.environment)
  return { blocks: image.geometry.payloadBlocks, allocatedBlocks: walk.allocatedBlocks, leakedBytes: walk.leakedBytes }
}

async function checkHeaders(backend: Backend, findings: Findings): Promise<void> {
  for (const offset of HEADER_OFFSETS) {
    const bytes = new Uint8Array(HEADER_BYTES)
    await readZeroPadded(backend, offset, bytes)
    if (decodeHeader(bytes) === undefined) {
      findings.add(
        'warning',
        'header-damaged',
        `header at ${at(offset)}`,
        'signature or checksum are wrong; the other copy serves',
        true,
      )
    }
  }
}

async function checkRegionTables({ backend }: VhdxImage, findings: Findings, repair: boolean): Promise<void> {
  const copies = [new Uint8Array(REGION_TABLE_BYTES), new Uint8Array(REGION_TABLE_BYTES)] as const
  for (const [i, offset] of REGION_TABLE_OFFSETS.entries()) await readZeroPadded(backend, offset, copies[i as 0 | 1])
  const good = isIntact(copies[0]) ? 0 : 1
  const other = good === 0 ? 1 : 0
  if (sameBytes(copies[0], copies[1])) return
  const place = `region table at ${at(REGION_TABLE_OFFSETS[other])}`
  findings.add(
    'warning',
    'region-table-damaged',
    place,
    isIntact(copies[other])
      ? 'says something else than the first copy'
      : 'signature or checksum are wrong; the other copy serves',
    true,
  )
  if (!repair) return
  await backend.write(REGION_TABLE_OFFSETS[other], copies[good])
  await backend.flush()
  findings.repaired('region-table-damaged')
}

async function repairSpace(
  image: VhdxImage,
  findings: Findings,
  walk: VhdxTableWalk,
  environment: Environment,
): Promise<void> {
  if (findings.has('error')) return
  const { backend, headers } = image
  if (walk.end > 0) {
    await backend.truncate(roundUp(walk.end, MIB))
    await backend.flush()
    findings.repaired('block-short')
  }
  if (walk.stale.length === 0 && !findings.wants('leaked-space')) return
  if (!isZero(headers.current.logGuid)) throw new DiskImageError('corrupt', 'the log is still to be replayed')
  // The content does not change, so children stay good.
  const store = new VhdxStore(image, environment, headers.current.dataWriteGuid)
  const flush = () => backend.flush()
  await store.begin(() => store.commit(flush))
  for (const index of walk.stale) {
    await image.bat.set(index, BLOCK.notPresent, 0)
    if (store.commitDue) await store.commit(flush)
  }
  await store.commit(flush)
  await store.finish(flush)
  findings.repaired('bat-stale-entry', 'leaked-space')
}
