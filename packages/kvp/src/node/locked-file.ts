import { closeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { KvpError } from '../errors.ts'
import type { FileLock, TryLock } from './file-lock.ts'
import { loadFileLocks } from './file-lock.ts'
import type { OpenMode } from './open-pool-file.ts'
import { isSameFile, openPoolFile } from './open-pool-file.ts'

/**
 * - `required`: no access without a lock;
 * - `optional`: locks where koffi is installed;
 * - `none`: never locks: only for pools that nobody else uses.
 */
export type LockPolicy = 'required' | 'optional' | 'none'

export interface LockSettings {
  readonly policy: LockPolicy
  readonly timeoutMs: number
}

/** Tasks on the same file wait for each other in this process; record locks do not keep a process from itself. */
const queues = new Map<string, Promise<unknown>>()

/** Runs a task with a pool's file open and, as far as the policy goes, locked. `locked` tells whether it is. */
export function withFile<T>(
  path: string,
  mode: OpenMode,
  settings: LockSettings,
  task: (descriptor: number, locked: boolean) => T,
): Promise<T> {
  const turn = (queues.get(path) ?? Promise.resolve()).then(() => locked(path, mode, settings, task))
  const settled = turn.catch(() => undefined)
  queues.set(path, settled)
  void settled.then(() => {
    if (queues.get(path) === settled) queues.delete(path)
  })
  return turn
}

async function locked<T>(
  path: string,
  mode: OpenMode,
  { policy, timeoutMs }: LockSettings,
  task: (descriptor: number, locked: boolean) => T,
): Promise<T> {
  const tryLock = policy === 'none' ? undefined : await loadFileLocks()
  if (tryLock === undefined && policy === 'required') {
    const hint = 'install the package koffi (npm install koffi), or do without a lock when no daemon runs'
    throw new KvpError('no-lock', `${path} cannot be locked against the KVP daemon: ${hint}`)
  }
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const descriptor = openPoolFile(path, mode)
    try {
      const lock = tryLock === undefined ? undefined : await acquire(path, descriptor, mode.write, tryLock, deadline)
      try {
        if (lock === undefined || isSameFile(path, descriptor)) return task(descriptor, lock !== undefined)
      } finally {
        lock?.release()
      }
    } catch (error) {
      // The system names no file where a descriptor fails: a disk that is full.
      if (error instanceof Error && 'syscall' in error && !('path' in error)) Object.assign(error, { path })
      throw error
    } finally {
      closeSync(descriptor)
    }
  }
}

async function acquire(
  path: string,
  descriptor: number,
  exclusive: boolean,
  tryLock: TryLock,
  deadline: number,
): Promise<FileLock> {
  for (let pause = 1; ; pause = Math.min(pause * 2, 32)) {
    const lock = tryLock(descriptor, exclusive)
    if (lock !== undefined) return lock
    if (performance.now() + pause > deadline) {
      throw new KvpError('locked', `${path}: another process has held the lock for too long`)
    }
    await delay(pause)
  }
}
