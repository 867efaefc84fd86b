import { mergeFile, openFile } from '@bis/vhdx/node'
import { CliError } from '../../cli-error.ts'
import { nbdSocketOf, resizeExport } from '../../nbd/resize-client.ts'
import { withProgress } from '../../progress.ts'
import { formatSize, parseSize } from '../../size.ts'
import type { DiskVerb } from './verb.ts'

export const resize: DiskVerb = {
  usage: 'FILE|URI SIZE [--shrink]',
  summary: 'grow a disk, or with --shrink make it smaller: what lies beyond is lost; by URI, one that bis nbd exports',
  options: { shrink: { type: 'boolean', help: 'allow a smaller size' } },
  async run(files, args) {
    const [file, text, extra] = files
    if (file === undefined || text === undefined || extra !== undefined) {
      throw new CliError('usage', 'bis disk resize: give a FILE and a SIZE')
    }
    const size = parseSize(text, 'SIZE')
    const checked = (now: number): number => {
      if (size >= now || args.flag('shrink')) return size
      throw new CliError(
        'input',
        `${file}: has ${formatSize(now)}; a smaller size loses what lies beyond, say --shrink if that is meant`,
      )
    }
    const socket = nbdSocketOf(file)
    if (socket !== undefined) return resizeExport(socket, checked)
    await using disk = await openFile(file)
    await disk.resize(checked(disk.sizeBytes))
    await disk.close()
  },
}

export const compact: DiskVerb = {
  usage: 'FILE',
  summary: 'give back the blocks that hold only zeros, and make the file smaller',
  options: {},
  async run(files, _args, signal) {
    const [file, extra] = files
    if (file === undefined || extra !== undefined) throw new CliError('usage', 'bis disk compact: give one FILE')
    await using disk = await openFile(file)
    const { before, after } = await withProgress('compacting', (onProgress) => disk.compact({ signal, onProgress }))
    await disk.close()
    process.stdout.write(`${file}: ${formatSize(before)} before, ${formatSize(after)} now\n`)
  },
}

export const merge: DiskVerb = {
  usage: 'FILE [--remove]',
  summary: 'write the differences of a differencing image into its parent',
  options: { remove: { type: 'boolean', help: 'delete the differencing image when all is in the parent' } },
  async run(files, args, signal) {
    const [file, extra] = files
    if (file === undefined || extra !== undefined) throw new CliError('usage', 'bis disk merge: give one FILE')
    const removeChild = args.flag('remove')
    const parent = await withProgress('merging', (onProgress) => mergeFile(file, { removeChild, signal, onProgress }))
    process.stdout.write(`${file}: merged into ${parent}\n`)
  },
}
