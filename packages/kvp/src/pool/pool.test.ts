import { describe, expect, it } from 'vitest'
import { KVP_RECORD_BYTES, KvpEntry } from './entry.ts'
import { deleteLong, getLong, setLong, splitText } from './long-values.ts'
import { MemoryPool } from './memory-pool.ts'

const keys = async (pool: MemoryPool): Promise<string[]> => (await pool.list()).map(({ key }) => key)

describe('a pool in memory', () => {
  it('sets, changes, deletes and enumerates in order', async () => {
    const pool = new MemoryPool(0)
    for (const key of ['a', 'b', 'c']) await pool.set(key, `value of ${key}`)
    await pool.set('b', 'other')
    expect(await keys(pool)).toEqual(['a', 'b', 'c'])
    expect([await pool.get('b'), await pool.get('d')]).toEqual(['other', undefined])
    expect([await pool.delete('a'), await pool.delete('a')]).toEqual([true, false])
    expect([(await pool.at(0))?.key, (await pool.at(1))?.key, await pool.at(2)]).toEqual(['b', 'c', undefined])
    expect(await pool.get('c')).toBe('value of c')
  })

  it('[KV-10] makes several changes at once, and removes a key however often it is there', async () => {
    const pool = new MemoryPool(1)
    await pool.change([
      { append: 'x', value: '1' },
      { append: 'x', value: '2' },
      { set: 'y', value: '3' },
    ])
    expect(await pool.change([{ delete: 'x' }, { set: 'x', value: 'new' }, { append: 'z', value: '' }])).toBe(2)
    expect(await keys(pool)).toEqual(['y', 'x', 'z'])
    expect(await pool.change([{ delete: 'x' }, { delete: 'nothing' }])).toBe(1)
  })

  it('[KV-04] takes keys and values up to their limits and refuses what is beyond, unchanged', async () => {
    const pool = new MemoryPool(0)
    await pool.set('k'.repeat(511), 'v'.repeat(2047))
    await pool.set('é'.repeat(255), '€'.repeat(682))
    const before = await pool.list()
    const refused: [string, string, string][] = [
      ['k'.repeat(512), 'v', 'too-long'],
      ['é'.repeat(256), 'v', 'too-long'],
      ['k', 'v'.repeat(2048), 'too-long'],
      ['k', '€'.repeat(683), 'too-long'],
      ['', 'v', 'bad-key'],
      ['a\0b', 'v', 'bad-key'],
      ['k', 'a\0b', 'bad-value'],
      ['k\ud800', 'v', 'bad-key'],
      ['k', '\udc00', 'bad-value'],
    ]
    for (const [key, value, code] of refused) await expect(pool.set(key, value)).rejects.toMatchObject({ code })
    expect(await pool.list()).toEqual(before)
  })

  it('[KV-04] measures what the host reads by bytes of UTF-16', async () => {
    const pool = new MemoryPool(1)
    await pool.set('k'.repeat(255), 'v'.repeat(1023))
    await expect(pool.set('k'.repeat(256), 'v')).rejects.toMatchObject({ code: 'too-long' })
    await expect(pool.set('k', 'v'.repeat(1024))).rejects.toMatchObject({ code: 'too-long' })
    await pool.set('k', 'v'.repeat(2047), { limit: 'file' })
    await expect(pool.set('k', 'v'.repeat(1023), { limit: 'azure' })).rejects.toMatchObject({ code: 'too-long' })
  })
})

describe('an entry', () => {
  it('[KV-13] is bytes: text until the first NUL, and what is no UTF-8 is said', () => {
    const record = new Uint8Array(KVP_RECORD_BYTES)
    record.set([0x6b, 0xff, 0x80])
    record.set([0x61, 0, 0x62], 512)
    const entry = new KvpEntry(record)
    expect([...entry.keyBytes, ...entry.valueBytes]).toEqual([0x6b, 0xff, 0x80, 0x61])
    expect([entry.isText, entry.key, entry.value]).toEqual([false, 'k\ufffd\ufffd', 'a'])
    expect(entry.record[514]).toBe(0x62)
  })

  it('[KV-04] has a key and a value that fill their fields without a NUL', () => {
    const entry = new KvpEntry(new Uint8Array(KVP_RECORD_BYTES).fill(0x61))
    expect([entry.keyBytes.length, entry.valueBytes.length]).toEqual([512, 2048])
  })
})

describe('[KV-12] a long value', () => {
  const text = Array.from({ length: 3000 }, (_, i) => `${i}ä€😀`).join('')

  it('is cut between characters', () => {
    const parts = splitText(text, 100)
    expect(parts.join('')).toBe(text)
    expect(Math.max(...parts.map((part) => new TextEncoder().encode(part).length))).toBeLessThanOrEqual(100)
    expect([splitText('', 10), splitText('ab', 4)]).toEqual([[''], ['ab']])
  })

  for (const style of ['indexed', 'repeated'] as const) {
    it(`comes back whole when ${style}, and leaves nothing of the one before`, async () => {
      const pool = new MemoryPool(1)
      await pool.set('log|x', 'not a part')
      await setLong(pool, 'log', text, { style })
      expect((await pool.list()).length).toBeGreaterThan(10)
      expect((await pool.list()).every(({ valueBytes }) => valueBytes.length <= 1022)).toBe(true)
      expect(await getLong(pool, 'log')).toBe(text)
      await setLong(pool, 'log', 'short', { style })
      expect([await keys(pool), await getLong(pool, 'log')]).toEqual([['log|x', 'log'], 'short'])
      await setLong(pool, 'log', text, { style })
      expect([await deleteLong(pool, 'log'), await deleteLong(pool, 'log')]).toEqual([true, false])
      expect(await keys(pool)).toEqual(['log|x'])
    })
  }

  it('tells a missing part, the last one by its checksum', async () => {
    const pool = new MemoryPool(1)
    await setLong(pool, 'log', text, { style: 'indexed', checksum: true })
    expect(await getLong(pool, 'log')).toBe(text)
    const last = (await pool.list()).length - 2
    await pool.delete(`log|${last}`)
    await expect(getLong(pool, 'log')).rejects.toMatchObject({ code: 'bad-value' })
    await pool.delete('log|sum')
    await pool.delete('log|1')
    await expect(getLong(pool, 'log')).rejects.toMatchObject({ code: 'bad-value' })
  })
})
