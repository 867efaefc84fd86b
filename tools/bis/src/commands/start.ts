import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BlockDevice } from '@bis/hyperv-types'
import type { DiskContents, Partition } from '@bis/uefi'
import { readDiskContents } from '@bis/uefi'
import { createFile } from '@bis/vhdx/node'
import type { BootOptions } from '../boot-options.ts'
import { BOOT_OPTIONS, parseBootOptions } from '../boot-options.ts'
import { BootedMachine } from '../booted-machine.ts'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'
import { makeDemoDisk } from '../filesystem/demo-disk.ts'
import { sha256 } from '../filesystem/hash.ts'
import { formatSize } from '../size.ts'
import { Steps } from '../steps.ts'

/** Files listed and hashed of a user's disk; a whole system's would take too long. */
const MAX_FILES = 200
const MAX_HASHED_BYTES = 64 * 2 ** 20

const print = (line: string): void => void process.stdout.write(`${line}\n`)

export const start: Command = {
  name: 'start',
  summary: 'the main job in one go: boot a guest on a disk and look at it through the drivers',
  usage: '[--disk FILE]… [--host RELEASE] [--gen 1|2] [--cpus N] [--memory SIZE]',
  options: BOOT_OPTIONS,
  details:
    'Without --disk it makes a small disk, checks the files on it, and writes to it. Images given are only read.',
  async run(args, signal) {
    const options = parseBootOptions(args)
    const steps = new Steps(print)
    if (options.disks.length > 0) {
      const readOnly = options.disks.map((disk) => ({ ...disk, readOnly: true }))
      await tour({ ...options, disks: readOnly }, undefined, steps, signal)
    } else {
      await demo(options, steps, signal)
    }
    steps.end('done')
  },
}

async function demo(options: BootOptions, steps: Steps, signal: AbortSignal): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bis-start-'))
  try {
    const file = join(folder, 'demo.vhdx')
    const { bytes, hashes } = makeDemoDisk()
    await using image = await createFile(file, { sizeBytes: bytes.length, blockSize: 2 ** 20 })
    await image.write(0, bytes)
    await image.close()
    steps.done('made a VHDX with a GPT and a FAT file system')
    const disks = [{ file, bus: 'scsi' as const, readOnly: false, optical: false }]
    await tour({ ...options, disks }, hashes, steps, signal)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function tour(
  options: BootOptions,
  hashes: ReadonlyMap<string, string> | undefined,
  steps: Steps,
  signal: AbortSignal,
): Promise<void> {
  await using booted = await BootedMachine.boot(options, print)
  steps.done('booted, every device attached')
  for (const disk of booted.disks) {
    signal.throwIfAborted()
    const contents = await readDiskContents(disk)
    showTable(disk, contents)
    await showFiles(contents, hashes)
    steps.done(`read ${disk.name} through storvsc, VMBus and storvsp`)
    const scratch = contents.table.partitions.find(({ type }) => type === 'freebsd-swap')
    if (hashes !== undefined && scratch !== undefined) {
      await writeAndReadBack(disk, scratch)
      steps.done(`wrote to ${disk.name} and read back`)
    }
  }
  await booted.powerOff()
  steps.done('powered off')
}

function showTable(disk: BlockDevice, { table }: DiskContents): void {
  const { blockSize, blockCount } = disk.geometry
  print(
    `=> ${disk.name}  ${table.scheme === 'none' ? 'no partition table' : table.scheme}  (${formatSize(blockSize * blockCount)})`,
  )
  for (const { number, type, label, offset, size } of table.partitions) {
    const start = String(offset / blockSize).padStart(10)
    const length = String(size / blockSize).padStart(10)
    print(`${start} ${length}  ${number}  ${type}  ${label === '' ? '' : `[${label}] `}(${formatSize(size)})`)
  }
}

async function showFiles({ volumes }: DiskContents, hashes: ReadonlyMap<string, string> | undefined): Promise<void> {
  for (const { partition, volume, files } of volumes) {
    print(
      `   ${volume.type} volume${partition === undefined ? '' : ` on partition ${partition.number}`}: ${files.length} files`,
    )
    for (const file of files.slice(0, MAX_FILES)) {
      const hash = file.size <= MAX_HASHED_BYTES ? sha256(await volume.readFile(file)) : 'too large to hash here'
      const expected = hashes?.get(file.path)
      if (hashes !== undefined && hash !== expected) {
        throw new CliError(
          'failed',
          `${file.path}: SHA-256 is ${hash}, not ${expected ?? 'that of any file put there'}`,
        )
      }
      print(
        `   ${String(file.size).padStart(10)}  ${file.path}  ${hash.slice(0, 16)}${expected === undefined ? '' : ' as written'}`,
      )
    }
    if (files.length > MAX_FILES) print(`   … and ${files.length - MAX_FILES} more`)
    if (hashes !== undefined && files.length !== hashes.size) {
      throw new CliError('failed', `${files.length} files found where ${hashes.size} were put`)
    }
  }
}

/** A file's worth of sectors at the start of a partition that holds nothing. */
async function writeAndReadBack(disk: BlockDevice, { offset, size }: Partition): Promise<void> {
  const length = Math.min(size, 2 ** 20)
  const data = Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 2_654_435_761) >>> 24)
  await disk.write(offset, data)
  await disk.flush()
  const back = new Uint8Array(length)
  await disk.read(offset, back)
  if (Buffer.compare(data, back) !== 0)
    throw new CliError('failed', `${disk.name}: what was written at ${offset} reads back otherwise`)
  print(`   ${formatSize(length)} written at ${offset} and read back`)
}
