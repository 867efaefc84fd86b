import type { VirtualDisk } from '@bis/vhdx'
import { openFile } from '@bis/vhdx/node'
import { CliError } from './cli-error.ts'
import { WriteGate } from './write-gate.ts'

/** One `--disk FILE[,bus=scsi|ide][,ro][,dvd]`. */
export interface DiskOption {
  readonly file: string
  readonly bus: 'scsi' | 'ide'
  readonly readOnly: boolean
  /** A medium in a DVD drive. */
  readonly optical: boolean
}

/** A file named `.iso` is a DVD by itself. Commas inside a file name are written twice, as QEMU has it. @throws CliError `usage`. */
export function parseDiskOption(text: string): DiskOption {
  const [file = '', ...words] = text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(',,', ','))
  if (file === '') throw new CliError('usage', '--disk needs a FILE')
  let bus: 'scsi' | 'ide' = 'scsi'
  let optical = /\.iso$/i.test(file)
  let readOnly = optical
  for (const word of words) {
    if (word === 'ro') readOnly = true
    else if (word === 'dvd') readOnly = optical = true
    else if (word === 'bus=scsi' || word === 'bus=ide') bus = word === 'bus=ide' ? 'ide' : 'scsi'
    else throw new CliError('usage', `--disk ${file}: ${JSON.stringify(word)} is none of ro, dvd, bus=scsi and bus=ide`)
  }
  return { file, bus, readOnly, optical }
}

/** An image opened for a machine, with where it is plugged in. */
export interface OpenDisk extends DiskOption {
  readonly image: VirtualDisk
  /** Between the guest and the image, where a checkpoint may be taken. */
  readonly gate?: WriteGate
}

/** Disks that a machine has room for on SCSI: four controllers of 64. */
export const MAX_SCSI_DISKS = 256

/**
 * Opens the images in order; when one fails the others are closed again.
 * @param gated with a gate each, for machines that `bis vm` steers
 */
export async function openDisks(options: readonly DiskOption[], gated = false): Promise<OpenDisk[]> {
  const opened: OpenDisk[] = []
  try {
    for (const option of options) {
      const image = await openFile(option.file, { readOnly: option.readOnly })
      opened.push({ ...option, image, ...(gated ? { gate: new WriteGate(image) } : {}) })
    }
    return opened
  } catch (error) {
    await closeDisks(opened)
    throw error
  }
}

/** Closes them all, whatever happens to one; then says what did. */
export async function closeDisks(disks: readonly OpenDisk[]): Promise<void> {
  const results = await Promise.allSettled(disks.map(({ image }) => image.close()))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
