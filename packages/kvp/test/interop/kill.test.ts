import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { bundle } from '@bis/build/bundle'
import { fuzzRuns, fuzzSeed } from '@bis/build/fuzz'
import { describe, expect, it } from 'vitest'
import { KVP_RECORD_BYTES, KvpEntry } from '../../src/index.ts'
import { PoolFolder } from '../../src/node/index.ts'
import { temporaryFolder } from '../support/folder.ts'

const KILLS = Number(process.env['BIS_KILLS'] ?? fuzzRuns(10))

/** Runs the child until it has said some lines, and kills it. */
function runAndKill(child: string, folder: string, seed: number, lines: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = spawn(process.execPath, [child, folder, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = 0
    worker.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString().split('\n').length - 1
      if (said >= lines) worker.kill('SIGKILL')
    })
    worker.once('error', reject)
    worker.once('close', (_, signal) => (signal === 'SIGKILL' ? resolve() : reject(new Error('the child ended'))))
  })
}

/** Whether the value is what was once written for the key, whole. */
function isWhole({ key, value }: KvpEntry): boolean {
  const unit = `${value.split(';', 1)[0]};`
  return (
    unit.startsWith(`${key}=`) && value === unit.repeat(Math.ceil(value.length / unit.length)).slice(0, value.length)
  )
}

describe('a process killed while it changes a pool', () => {
  it(`[KV-10] leaves whole records, each key once, ${KILLS} times`, { timeout: 30_000 + KILLS * 3000 }, async () => {
    const child = await bundle(new URL('../support/kill-child.ts', import.meta.url))
    await using folder = await temporaryFolder()
    await new PoolFolder({ folder: folder.path, create: 'private' }).create()
    for (let kill = 0; kill < KILLS; kill++) {
      const seed = fuzzSeed + kill
      await runAndKill(child, folder.path, seed, 1 + ((kill * 37) % 200))
      const message = `seed ${seed}`
      const pool = new PoolFolder({ folder: folder.path }).pool(1)
      // What a daemon would read: at most the record that was being written is not whole.
      const raw = await readFile(pool.path)
      const records = Array.from({ length: Math.floor(raw.length / KVP_RECORD_BYTES) }, (_, i) => {
        return new KvpEntry(raw.subarray(i * KVP_RECORD_BYTES, (i + 1) * KVP_RECORD_BYTES))
      })
      expect(records.filter((entry) => !isWhole(entry)).length, message).toBeLessThanOrEqual(1)
      const entries = await pool.list()
      expect(
        entries.filter((entry) => !isWhole(entry)).map(({ key }) => key),
        message,
      ).toEqual([])
      expect(new Set(entries.map(({ key }) => key)).size, message).toBe(entries.length)
    }
  })
})
