import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Clock, Logger, Timer } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import type { VssHook } from '../vss/freezer.ts'
import { linuxMountFacts } from './mount-facts.ts'
import { parseMountTable } from './mount-table.ts'
import type { MountSelection } from './select-mounts.ts'
import { selectMounts } from './select-mounts.ts'
import type { ThawGuard } from './thaw-guard.ts'
import { startThawGuard } from './thaw-guard.ts'

export interface FreezeMountsOptions {
  readonly log: Logger
  /** What is mounted; default: Linux's own table, read anew for each freeze. */
  readonly select?: () => MountSelection
  /** Frozen for longer than this many ms, all is thawed whatever the host says; default 900,000. */
  readonly frozenMs?: number
  /** util-linux's, by its name on the PATH or its path. */
  readonly fsfreeze?: string
  readonly clock?: Clock
}

/** What Linux would freeze now. @throws the system's error when there is no `/proc/self/mounts` */
export function selectMountsNow(exclude: readonly string[] = []): MountSelection {
  return selectMounts(parseMountTable(readFileSync('/proc/self/mounts', 'utf8')), linuxMountFacts(), exclude)
}

/**
 * Freezes Linux's mounted file systems by fsfreeze(8), and thaws them in reverse: when told so, when one of them cannot be
 * frozen, when the time is over, and when this process is killed. Says nothing while something is frozen.
 */
export function freezeMounts(options: FreezeMountsOptions): VssHook {
  const { log, select = selectMountsNow, frozenMs = 900_000, fsfreeze = 'fsfreeze', clock = systemClock } = options
  const frozen: string[] = []
  let guard: ThawGuard | undefined
  let limit: Timer | undefined
  let expired: Promise<void> | undefined
  let reported = ''

  const thawAll = async (): Promise<void> => {
    limit?.cancel()
    const failures: string[] = []
    for (const point of frozen.splice(0).reverse())
      await run(fsfreeze, '-u', point).catch((error: Error) => failures.push(error.message))
    guard?.done()
    guard = undefined
    if (failures.length > 0) throw new Error(failures.join('; '))
  }
  const report = ({ freeze, skipped }: MountSelection): void => {
    const lines = [
      `a snapshot freezes ${freeze.join(', ')}`,
      ...skipped.map(({ point, why }) => `not ${point}: ${why}`),
    ]
    if (lines.join() === reported) return
    reported = lines.join()
    for (const line of lines) log.log('info', line)
  }

  return {
    name: 'file systems',
    check() {
      const selection = select()
      report(selection)
      return selection.freeze.length > 0
    },
    async freeze(signal) {
      const { freeze } = select()
      if (freeze.length === 0) throw new Error('there is no file system that can be frozen')
      guard = await startThawGuard(fsfreeze, [...freeze].reverse())
      try {
        for (const point of freeze) {
          if (signal.aborted) throw new Error('the freeze was given up')
          // Not ended by the signal: it could freeze after the thaw.
          await run(fsfreeze, '-f', point)
          frozen.push(point)
        }
      } catch (error) {
        await thawAll().catch((failure: Error) => log.log('error', failure.message))
        throw error
      }
      limit = clock.after(frozenMs, () => {
        expired = thawAll()
        expired.catch(() => {})
      })
    },
    async thaw() {
      if (expired === undefined) return thawAll()
      const early = expired
      expired = undefined
      await early
      throw new Error(`thawed already: nobody had asked for it in ${frozenMs / 1000} s`)
    },
  }
}

function run(program: string, action: '-f' | '-u', point: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(program, [action, point], { cwd: '/' }, (error, _, stderr) => {
      if (error === null) resolve()
      else if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        reject(new Error(`there is no program ${program}: it is of util-linux`))
      else reject(new Error(stderr.trim() || `${program} ${action} ${point}: ${error.message}`))
    })
  })
}
