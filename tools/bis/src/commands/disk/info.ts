import { stat } from 'node:fs/promises'
import type { VirtualDisk } from '@bis/vhdx'
import { formatUuid } from '@bis/vhdx'
import { openFile } from '@bis/vhdx/node'
import { CliError } from '../../cli-error.ts'
import { formatSize } from '../../size.ts'
import type { DiskVerb } from './verb.ts'

export const info: DiskVerb = {
  usage: 'FILE [--json]',
  summary: 'tell format, type, size, block and sector sizes, identity',
  options: { json: { type: 'boolean', help: 'print JSON' } },
  async run(files, args) {
    const [file, extra] = files
    if (file === undefined || extra !== undefined) throw new CliError('usage', 'bis disk info: give one FILE')
    await using disk = await openFile(file, { readOnly: true })
    const facts = await factsOf(file, disk)
    if (args.flag('json')) process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`)
    else process.stdout.write(table(facts))
  },
}

interface Facts {
  readonly file: string
  readonly format: string
  readonly type: string
  readonly size: number
  readonly allocated: number
  readonly blockSize: number
  readonly logicalSectorSize: number
  readonly physicalSectorSize: number
  readonly diskId?: string
}

async function factsOf(file: string, disk: VirtualDisk): Promise<Facts> {
  const { blocks } = await stat(file)
  const { format, type, sizeBytes: size, blockSize, logicalSectorSize, physicalSectorSize, diskId } = disk
  const base = { file, format, type, size, allocated: blocks * 512, blockSize, logicalSectorSize, physicalSectorSize }
  return format === 'raw' ? base : { ...base, diskId: formatUuid(diskId) }
}

function table(facts: Facts): string {
  const bytes = (value: number): string => `${formatSize(value)} (${value} bytes)`
  const rows: [string, string][] = [
    ['file', facts.file],
    ['format', `${facts.format}, ${facts.type}`],
    ['disk size', bytes(facts.size)],
    ['on the file system', bytes(facts.allocated)],
    ['block size', formatSize(facts.blockSize)],
    ['sector size', `${facts.logicalSectorSize} logical, ${facts.physicalSectorSize} physical`],
  ]
  if (facts.diskId !== undefined) rows.push(['disk id', facts.diskId])
  return `${rows.map(([name, value]) => `${name.padEnd(20)}${value}`).join('\n')}\n`
}
