import type { FileHandle } from 'node:fs/promises'
import { constants, open } from 'node:fs/promises'
import { basename, posix, resolve } from 'node:path'
import type { FileSource } from '@bis/host'
import { IcError } from '@bis/host'
import { CliError } from '../../cli-error.ts'
import { formatSize } from '../../size.ts'
import type { VmVerb } from '../verb.ts'

const PROGRESS_BYTES = 16 * 2 ** 20

export const copyFile: VmVerb = {
  usage: 'NAME SOURCE TARGET [--overwrite] [--create-path]',
  summary: "copy a file into the guest; TARGET is the guest's path, of a folder when it ends with /",
  options: {
    overwrite: { type: 'boolean', help: 'replace a file that is there' },
    'create-path': { type: 'boolean', help: 'make the folders that are missing' },
  },
  words: 2,
  prepare: ([source, ...rest]) => (source === undefined ? [] : [resolve(source), ...rest]),
  async serve(machine, { words: [file, target], options }, { signal, progress }) {
    if (file === undefined || target === undefined) throw new CliError('usage', 'bis vm copy-file NAME SOURCE TARGET')
    const { fileCopy } = machine.running().services
    // A pipe without a writer would hold the machine's process up.
    const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    try {
      const source = await sourceOf(file, handle)
      await fileCopy.copy({
        ...targetOf(target, file),
        source,
        overwrite: options['overwrite'] === true,
        createPath: options['create-path'] === true,
        signal,
        onProgress(bytes) {
          if (bytes % PROGRESS_BYTES === 0) progress(`${formatSize(bytes)} of ${formatSize(source.size)}`)
        },
      })
    } catch (error) {
      if (error instanceof IcError) throw new CliError('failed', `${machine.name}: ${error.message}`)
      throw error
    } finally {
      await handle.close()
    }
  },
}

async function sourceOf(file: string, handle: FileHandle): Promise<FileSource> {
  const found = await handle.stat()
  if (!found.isFile()) throw new CliError('failed', `${file}: is no regular file`)
  return {
    size: found.size,
    async read(offset, target) {
      for (let done = 0; done < target.length; ) {
        const { bytesRead } = await handle.read(target, done, target.length - done, offset + done)
        if (bytesRead === 0) throw new CliError('failed', `${file}: became shorter while it was copied`)
        done += bytesRead
      }
    },
  }
}

/** @throws CliError `usage` */
function targetOf(target: string, file: string): { name: string; folder: string } {
  if (!target.startsWith('/')) throw new CliError('usage', `${target}: the path in the guest begins with /`)
  if (target.endsWith('/')) return { name: basename(file), folder: target }
  return { name: posix.basename(target), folder: `${posix.dirname(target)}/`.replace('//', '/') }
}
