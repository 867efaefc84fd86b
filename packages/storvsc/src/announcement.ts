import type { BlockGeometry } from '@bis/hyperv-types'
import type { InquiryFacts } from './inquiry.ts'
import { versionName } from './inquiry.ts'
import type { DiskFacts } from './probe.ts'

/** `Msft Virtual Disk 1.0` */
export function describeUnit({ vendor, product, revision }: InquiryFacts): string {
  return `${vendor} ${product} ${revision}`
}

/** `16MB (32768 512 byte sectors)` */
export function describeSize({ blockCount, blockSize }: BlockGeometry): string {
  return `${Math.floor((blockCount * blockSize) / 1024 / 1024)}MB (${blockCount} ${blockSize} byte sectors)`
}

/** How da(4) and cd(4) announce a unit, line by line. */
export function announce(name: string, inquiry: InquiryFacts, facts: DiskFacts): readonly string[] {
  const kind = inquiry.type === 0 ? 'Direct Access' : 'CD-ROM'
  const media = inquiry.removable ? 'Removable' : 'Fixed'
  const lines = [`<${describeUnit(inquiry)}> ${media} ${kind} ${versionName(inquiry.version)} SCSI device`]
  if (facts.serial !== undefined && facts.serial !== '') lines.push(`Serial Number ${facts.serial}`)
  lines.push('300.000MB/s transfers')
  if (inquiry.commandQueueing) lines.push('Command Queueing enabled')
  const noMedium = 'Attempt to query device size failed: NOT READY, Medium not present'
  lines.push(facts.mediaPresent ? describeSize(facts.geometry) : noMedium)
  return lines.map((line) => `${name}: ${line}`)
}
