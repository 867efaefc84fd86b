import { mkdir, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { IcError } from '@bis/host'
import { convert } from '@bis/vhdx'
import { FileBackend } from '@bis/vhdx/node'
import { CliError } from '../../cli-error.ts'
import type { OpenDisk } from '../../disk-option.ts'
import { formatTable } from '../table.ts'
import type { VerbContext, VmVerb } from '../verb.ts'
import type { RunningGuest } from '../virtual-machine.ts'

const TYPES = ['production', 'production-only', 'standard'] as const
type Type = (typeof TYPES)[number]

interface Checkpoint {
  /** `application`: the guest held still; `crash`: as after a power failure. */
  readonly consistency: 'application' | 'crash'
  readonly files: readonly string[]
}

export const checkpoint: VmVerb = {
  usage: 'NAME FOLDER [--type production|production-only|standard]',
  summary: 'copy the disks of the running machine, all as of one moment, into VHDX files in a new folder',
  options: {
    type: {
      type: 'string',
      value: 'TYPE',
      help: 'production: the guest holds still, if it can; production-only: it must; standard: it is not asked',
    },
    json: { type: 'boolean', help: 'print JSON' },
  },
  words: 1,
  prepare: ([folder]) => (folder === undefined ? [] : [resolve(folder)]),
  async serve(machine, { words: [folder], options }, context): Promise<Checkpoint> {
    if (folder === undefined) throw new CliError('usage', 'bis vm checkpoint NAME FOLDER')
    const type = parseType(options['type'] ?? 'production')
    const guest = machine.running()
    const disks = guest.images.filter(({ optical }) => !optical)
    if (disks.length === 0) throw new CliError('failed', `${machine.name} has no disks`)
    await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' ? new CliError('failed', `there is no folder ${dirname(folder)}`) : error
    })
    try {
      return await take(guest, disks, folder, type, context)
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      if (error instanceof IcError) throw new CliError('failed', `${machine.name}: ${error.message}`)
      throw error
    }
  },
  show(result) {
    const { consistency, files } = result as Checkpoint
    return formatTable([[`${consistency}-consistent`], ...files.map((file) => [file])])
  },
}

async function take(
  { services: { vss } }: RunningGuest,
  disks: readonly OpenDisk[],
  folder: string,
  type: Type,
  context: VerbContext,
): Promise<Checkpoint> {
  const copy = (): Promise<string[]> => copyDisks(disks, folder, context)
  const asked = type === 'production-only' || (type === 'production' && (await mayAsk(vss, context.signal)))
  if (!asked) return { consistency: 'crash', files: await copy() }
  return { consistency: 'application', files: await vss.whileFrozen(copy, context.signal) }
}

/** A guest without the component, or whose daemon is not there, is not waited for. */
async function mayAsk(vss: RunningGuest['services']['vss'], signal: AbortSignal): Promise<boolean> {
  try {
    return vss.state === 'ready' && (await vss.canBackUp(signal))
  } catch (error) {
    if (error instanceof IcError && !signal.aborted) return false
    throw error
  }
}

/** Nothing is written to any of the disks while they are copied. */
async function copyDisks(
  disks: readonly OpenDisk[],
  folder: string,
  { signal, progress }: VerbContext,
): Promise<string[]> {
  const releases = await Promise.all(disks.map(({ gate }) => gate?.hold()))
  try {
    const files: string[] = []
    for (const [index, { file, image }] of disks.entries()) {
      const target = join(folder, `${index}-${basename(file).replace(/\.\w+$/, '')}.vhdx`)
      progress(target)
      await convert(image, await FileBackend.open(target, { create: true }), { signal })
      files.push(target)
    }
    return files
  } finally {
    for (const release of releases) release?.()
  }
}

function parseType(text: unknown): Type {
  const type = TYPES.find((known) => known === text)
  if (type === undefined) throw new CliError('usage', `--type ${String(text)}: choose ${TYPES.join(', ')}`)
  return type
}
