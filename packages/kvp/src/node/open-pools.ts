import { chmodSync, lstatSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { KVP_POOL_COUNT } from '@bis/hyperv-types/ic'
import { KvpError } from '../errors.ts'
import type { KvpPoolNumber } from '../pool/pool.ts'
import { FilePool } from './file-pool.ts'
import { poolFileName, usualPoolFolder } from './locations.ts'
import type { LockPolicy } from './locked-file.ts'
import { isThere } from './read-records.ts'

export interface PoolFolderOptions {
  /** Folder of the pool files. Default: where this system's daemon has them. */
  readonly folder?: string
  /**
   * Makes missing files, and the folder, with this mode: `private` is 0600 in a folder of 0700, `shared` 0644 in 0755, as
   * the Linux daemon makes them. Default: makes none.
   */
  readonly create?: 'private' | 'shared'
  /** Default: writing needs a lock, reading takes one where koffi is installed. */
  readonly lock?: LockPolicy
  /** How long another process's lock is waited for, in milliseconds. Default 10,000. */
  readonly lockTimeoutMs?: number
  /** Waits for the medium after each change. Default false: changes survive the process, not a power failure. */
  readonly durable?: boolean
}

const MODES = { private: { file: 0o600, folder: 0o700 }, shared: { file: 0o644, folder: 0o755 } } as const

/** The pools of a folder. Nothing is opened or made before a pool is used. */
export class PoolFolder {
  readonly folder: string
  readonly pools: readonly FilePool[]
  readonly #create: 'private' | 'shared' | undefined

  /** @throws KvpError `no-pool` when no folder is named and this system has no usual one */
  constructor(options: PoolFolderOptions = {}) {
    this.folder = options.folder ?? usualPoolFolder()
    this.#create = options.create
    const timeoutMs = options.lockTimeoutMs ?? 10_000
    const settings = {
      reads: { policy: options.lock ?? 'optional', timeoutMs },
      writes: { policy: options.lock ?? 'required', timeoutMs },
      create: options.create === undefined ? undefined : MODES[options.create].file,
      durable: options.durable ?? false,
    } as const
    this.pools = Array.from({ length: KVP_POOL_COUNT }, (_, number) => {
      return new FilePool(number as KvpPoolNumber, join(this.folder, poolFileName(number)), settings)
    })
  }

  pool(number: KvpPoolNumber): FilePool {
    const pool = this.pools[number]
    if (pool === undefined) throw new RangeError(`pool ${number}: there are 0 to ${KVP_POOL_COUNT - 1}`)
    return pool
  }

  /** Makes the folder and the files that are missing. @throws KvpError `unsafe-file`, `no-lock` */
  async create(): Promise<void> {
    const mode = MODES[this.#create ?? 'private'].folder
    if (mkdirSync(this.folder, { recursive: true, mode }) !== undefined) chmodSync(this.folder, mode)
    if (!lstatSync(this.folder).isDirectory()) throw new KvpError('unsafe-file', `${this.folder} is no folder`)
    for (const pool of this.pools) await pool.create()
  }

  /**
   * Waits until a pool's file is there: a program that starts before the daemon finds none.
   * @throws KvpError `no-pool` when the time is over, `aborted`
   */
  async waitFor(number: KvpPoolNumber, options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<FilePool> {
    const pool = this.pool(number)
    const deadline = performance.now() + (options.timeoutMs ?? 60_000)
    for (let pause = 10; !isThere(pool.path); pause = Math.min(pause * 2, 500)) {
      if (options.signal?.aborted === true) throw new KvpError('aborted', `waiting for ${pool.path} was given up`)
      if (performance.now() + pause > deadline) throw new KvpError('no-pool', `${pool.path}: still not there`)
      await delay(pause)
    }
    return pool
  }
}
