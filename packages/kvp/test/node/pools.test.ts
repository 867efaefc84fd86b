import { chmod, link, mkdir, readdir, readFile, rename, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KVP_RECORD_BYTES, KvpEntry } from '../../src/index.ts'
import type { PoolChange } from '../../src/node/index.ts'
import { PoolFolder, usualPoolFolder, watchPools } from '../../src/node/index.ts'
import { temporaryFolder } from '../support/folder.ts'

let folder: AsyncDisposable & { readonly path: string }
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder[Symbol.asyncDispose]())

const open = (options = {}): PoolFolder => new PoolFolder({ folder: folder.path, create: 'private', ...options })
const file = (number: number): string => join(folder.path, `.kvp_pool_${number}`)
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const record = (key: string, value: string): Uint8Array => KvpEntry.of(bytes(key), bytes(value)).record
const contents = async (number: number): Promise<[string, string][]> =>
  (
    await open()
      .pool(number as 0)
      .list()
  ).map(({ key, value }) => [key, value])

describe('pools in files', () => {
  it('are records of 2560 bytes, key then value, padded with NULs', async () => {
    const pool = open().pool(1)
    await pool.set('first', 'ä')
    await pool.set('second', '2')
    await pool.set('first', 'longer than before')
    await pool.set('first', 'x')
    const expected = Buffer.concat([record('first', 'x'), record('second', '2')])
    expect(Buffer.compare(await readFile(file(1)), expected)).toBe(0)
    expect(await readdir(folder.path)).toEqual(['.kvp_pool_1'])
  })

  it('keep their order when keys go', async () => {
    const pool = open().pool(0)
    for (let i = 0; i < 20; i++) await pool.set(`key${i}`, `${i}`)
    for (const i of [0, 7, 19]) expect(await pool.delete(`key${i}`)).toBe(true)
    expect((await pool.list()).map(({ value }) => Number(value))).toEqual([
      1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
    ])
    expect([(await pool.at(6))?.key, await pool.at(17), await pool.at(-1)]).toEqual(['key8', undefined, undefined])
    await pool.change([{ delete: 'key1' }, { set: 'key2', value: 'two' }, { set: 'new', value: 'n' }])
    expect((await contents(0)).slice(0, 2)).toEqual([
      ['key2', 'two'],
      ['key3', '3'],
    ])
    expect((await contents(0)).at(-1)).toEqual(['new', 'n'])
    await pool.clear()
    expect((await stat(file(0))).size).toBe(0)
  })

  it('[KV-04] of a damaged file give the whole records, and the next change cuts the rest off', async () => {
    await writeFile(file(0), Buffer.concat([record('a', '1'), record('b', '2')]))
    await truncate(file(0), KVP_RECORD_BYTES + 700)
    const pool = open().pool(0)
    expect(await contents(0)).toEqual([['a', '1']])
    await pool.set('a', 'changed')
    expect((await stat(file(0))).size).toBe(KVP_RECORD_BYTES)
    await truncate(file(0), KVP_RECORD_BYTES + 2000)
    await pool.set('c', '3')
    expect(await contents(0)).toEqual([
      ['a', 'changed'],
      ['c', '3'],
    ])
    expect((await stat(file(0))).size).toBe(2 * KVP_RECORD_BYTES)
  })

  it('[KV-04] of 10,000 records are read and changed', async () => {
    const pool = open().pool(0)
    await pool.change(Array.from({ length: 10_000 }, (_, i) => ({ append: `key ${i}`, value: `${i}` })))
    expect((await pool.list()).length).toBe(10_000)
    await pool.set('key 9999', 'last')
    expect([await pool.get('key 9999'), await pool.get('key 5000')]).toEqual(['last', '5000'])
    expect(await pool.delete('key 0')).toBe(true)
    expect((await pool.at(0))?.key).toBe('key 1')
  })

  it('[KV-10] see what another writer did in the same instant', async () => {
    const one = open().pool(1)
    const other = open().pool(1)
    for (let i = 0; i < 200; i++) {
      await one.set('counter', `${i}`)
      expect(await other.get('counter')).toBe(`${i}`)
      await other.change([{ delete: 'counter' }, { set: i % 2 === 0 ? 'left' : 'right', value: `${i}` }])
      expect(await one.get('counter')).toBeUndefined()
    }
    expect((await contents(1)).map(([key]) => key).sort()).toEqual(['left', 'right'])
  })

  it('[KV-10] take changes made at the same time one after the other', async () => {
    const pools = [open().pool(1), open().pool(1), open().pool(1)]
    await Promise.all(
      pools.flatMap((pool, p) => Array.from({ length: 100 }, (_, i) => pool.set(`key ${i}`, `${p}-${i}`))),
    )
    const keys = (await contents(1)).map(([key]) => key)
    expect([keys.length, new Set(keys).size]).toEqual([100, 100])
  })

  it('[KV-07] are made with their final mode, whatever the umask, and are never made wider', async () => {
    const before = process.umask(0)
    try {
      await open().create()
      expect((await stat(file(0))).mode & 0o777).toBe(0o600)
      process.umask(0o077)
      const shared = join(folder.path, 'shared')
      await new PoolFolder({ folder: shared, create: 'shared' }).create()
      expect((await stat(shared)).mode & 0o777).toBe(0o755)
      expect((await stat(join(shared, '.kvp_pool_4'))).mode & 0o777).toBe(0o644)
    } finally {
      process.umask(before)
    }
    await chmod(file(0), 0o640)
    await open().pool(0).set('a', '1')
    expect((await stat(file(0))).mode & 0o777).toBe(0o640)
  })

  it('[KV-07] are no links and no folders', async () => {
    await writeFile(join(folder.path, 'elsewhere'), 'untouched')
    await symlink('elsewhere', file(0))
    await mkdir(file(1))
    await symlink('nowhere', file(2))
    for (const number of [0, 1, 2] as const) {
      await expect(open().pool(number).set('a', '1')).rejects.toMatchObject({ code: 'unsafe-file' })
      await expect(open().pool(number).list()).rejects.toMatchObject({ code: expect.stringMatching(/unsafe|EISDIR/) })
    }
    expect(await readFile(join(folder.path, 'elsewhere'), 'utf8')).toBe('untouched')
    await writeFile(file(3), '')
    await symlink('elsewhere', `${file(3)}.journal`)
    await link(join(folder.path, 'elsewhere'), join(folder.path, 'other'))
    await open()
      .pool(3)
      .change([
        { append: 'a', value: '1' },
        { append: 'b', value: '2' },
      ])
    expect(await readFile(join(folder.path, 'elsewhere'), 'utf8')).toBe('untouched')
  })

  it('[KV-11] tell a pool that is not there from an empty one, and wait for it', async () => {
    const pools = new PoolFolder({ folder: folder.path })
    await expect(pools.pool(0).list()).rejects.toMatchObject({ code: 'no-pool' })
    await expect(pools.pool(0).set('a', '1')).rejects.toMatchObject({ code: 'no-pool' })
    await expect(pools.waitFor(0, { timeoutMs: 30 })).rejects.toMatchObject({ code: 'no-pool' })
    await expect(pools.waitFor(0, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
    const waiting = pools.waitFor(0, { timeoutMs: 10_000 })
    await open().create()
    expect(await (await waiting).list()).toEqual([])
  })

  it('follow a file that was replaced', async () => {
    const pool = open().pool(0)
    await pool.set('a', '1')
    await writeFile(join(folder.path, 'new'), record('b', '2'))
    await rename(join(folder.path, 'new'), file(0))
    expect([await pool.get('a'), await pool.get('b')]).toEqual([undefined, '2'])
  })

  it('tell of changes until told to stop', async () => {
    const stop = new AbortController()
    const pools = open()
    await pools.pool(0).set('old', '1')
    const changes: PoolChange[] = []
    const watching = (async () => {
      for await (const change of watchPools(pools.pools, { signal: stop.signal, initial: true, intervalMs: 20 })) {
        changes.push(change)
        if (change.key === 'old' && change.type === 'set') await open().pool(1).set('new', 'x')
        else if (change.key === 'new') await open().pool(0).delete('old')
        else stop.abort()
      }
    })()
    await watching
    expect(changes).toEqual([
      { pool: 0, type: 'set', key: 'old', value: '1' },
      { pool: 1, type: 'set', key: 'new', value: 'x' },
      { pool: 0, type: 'deleted', key: 'old' },
    ])
  })

  it('are looked for where the daemons have them', () => {
    expect(usualPoolFolder('freebsd')).toBe('/var/db/hyperv/pool')
    expect(usualPoolFolder('linux')).toMatch(/^\/var\/(lib|opt)\/hyperv$/)
    expect(() => usualPoolFolder('win32')).toThrow(/name the folder/)
  })
})
