import { copyFile, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { KVP_RECORD_BYTES } from '../../src/index.ts'
import { PoolFolder } from '../../src/node/index.ts'
import { writeJournal } from '../../src/node/pool-journal.ts'
import { temporaryFolder } from '../support/folder.ts'

/** A pool before and after a change, and the journal of the change. */
async function prepared(folder: string) {
  const pool = new PoolFolder({ folder, create: 'private' }).pool(0)
  await pool.change(Array.from({ length: 6 }, (_, i) => ({ append: `key${i}`, value: `${i}`.repeat(2000) })))
  const before = new Uint8Array(await readFile(pool.path))
  await pool.delete('key1')
  const after = new Uint8Array(await readFile(pool.path))
  const journal = `${pool.path}.journal`
  const change = {
    first: 1,
    before: 6,
    after: 5,
    old: before.subarray(KVP_RECORD_BYTES),
    records: after.subarray(KVP_RECORD_BYTES),
  }
  writeJournal(journal, change, false)
  await copyFile(journal, `${journal}.copy`)
  return { pool, before, after, journal }
}

it('[KV-10] a change that was cut off at any byte is finished by the next one who looks', async () => {
  await using folder = await temporaryFolder()
  const { pool, before, after, journal } = await prepared(folder.path)
  for (let cut = KVP_RECORD_BYTES; cut <= after.length; cut += 517) {
    const half = before.slice()
    half.set(after.subarray(0, cut))
    await writeFile(pool.path, half)
    await copyFile(`${journal}.copy`, journal)
    expect((await pool.list()).map(({ key }) => key).join(), `cut at ${cut}`).toBe('key0,key2,key3,key4,key5')
    expect(Buffer.compare(await readFile(pool.path), after)).toBe(0)
    await expect(stat(journal)).rejects.toThrow()
  }
})

it('[KV-10] a journal that is cut off, or older than what another program wrote, changes nothing', async () => {
  await using folder = await temporaryFolder()
  const { pool, before, journal } = await prepared(folder.path)
  await writeFile(pool.path, before)
  await copyFile(`${journal}.copy`, journal)
  await truncate(journal, 5000)
  expect((await pool.list()).length).toBe(6)
  const foreign = before.slice()
  for (const index of [2, 4]) foreign.fill(0x78, index * KVP_RECORD_BYTES, index * KVP_RECORD_BYTES + 3)
  await writeFile(pool.path, foreign)
  await copyFile(`${journal}.copy`, journal)
  expect((await pool.list()).map(({ key }) => key)).toEqual(['key0', 'key1', 'xxx2', 'key3', 'xxx4', 'key5'])
})
