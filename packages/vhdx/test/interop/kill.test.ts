import { spawn } from 'node:child_process'
import { copyFile, rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { bundle } from '@bis/build/bundle'
import { fuzzRuns, fuzzSeed } from '@bis/build/fuzz'
import { beforeAll, describe, expect, it } from 'vitest'
import { checkFile, createFile, openFile } from '../../src/node/index.ts'
import { testFolder } from '../support/folder.ts'
import { killScript } from '../support/kill-script.ts'
import { havePrograms, run } from '../support/programs.ts'
import { Random } from '../support/random.ts'
import { SectorHistory } from '../support/sector-history.ts'

const MIB = 1024 * 1024

/** 200 with BIS_KILLS=200. */
const KILLS = Number(process.env['BIS_KILLS'] ?? fuzzRuns(10))
const inFolder = testFolder()
const haveQemu = havePrograms('qemu-img')
let child = ''

beforeAll(async () => {
  child = await bundle(new URL('../support/kill-child.ts', import.meta.url))
})

/** Runs the child until it has said some lines, kills it, and gives all the lines it said. */
function runAndKill(path: string, seed: number, lines: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const worker = spawn(process.execPath, [child, path, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const said: string[] = []
    const reader = createInterface({ input: worker.stdout })
    reader.on('line', (line) => {
      said.push(line)
      if (said.length === lines) worker.kill('SIGKILL')
    })
    worker.once('error', reject)
    worker.once('close', (_, signal) =>
      signal === 'SIGKILL' ? resolve(said) : reject(new Error(`the child ended by itself after ${said.length} lines`)),
    )
  })
}

describe.each(['vhdx', 'vhd'] as const)('a process killed while it works on a %s', (format) => {
  it(`[VX-03] [VX-07] loses nothing that was flushed, ${KILLS} times`, {
    timeout: 60_000 + KILLS * 6_000,
  }, async () => {
    const random = new Random(fuzzSeed)
    for (let kill = 0; kill < KILLS; kill++) {
      const seed = fuzzSeed + kill
      const path = inFolder(`killed.${format}`)
      await rm(path, { force: true })
      await (
        await createFile(path, { format, sizeBytes: 16 * MIB, blockSize: format === 'vhdx' ? MIB : 2 * MIB })
      ).close()
      const said = await runAndKill(path, seed, 1 + random.below(random.chance(0.3) ? 40 : 800))
      const { history, cut } = replay(said, seed, format)
      const message = `seed ${seed}, killed after ${said.length} lines`
      if (haveQemu && format === 'vhdx') {
        const copy = inFolder('killed-copy.vhdx')
        await copyFile(path, copy)
        // It replays the log by itself when asked to repair.
        await run('qemu-img', 'check', '-r', 'all', '-f', 'vhdx', copy)
        const theirs = await openFile(copy, { readOnly: true })
        await expect(history.check(theirs, cut), `${message}, log replayed by qemu-img`).resolves.toBeUndefined()
        await theirs.close()
      }
      const readOnly = await openFile(path, { readOnly: true })
      await expect(history.check(readOnly, cut), `${message}, read-only`).resolves.toBeUndefined()
      await readOnly.close()
      const disk = await openFile(path)
      await expect(history.check(disk, cut), message).resolves.toBeUndefined()
      const first = new Uint8Array(512)
      await disk.read(0, first)
      await disk.write(0, first)
      await disk.close()
      expect(await checkFile(path), message).toMatchObject({ ok: true })
      if (haveQemu && format === 'vhdx') await run('qemu-img', 'check', '-f', 'vhdx', path)
    }
  })
})

/** What the image may hold after the child said these lines. */
function replay(
  said: readonly string[],
  seed: number,
  format: 'vhd' | 'vhdx',
): { history: SectorHistory; cut: number } {
  const history = new SectorHistory(512)
  let clock = 0
  const now = () => ++clock
  const pending = new Map<number, () => void>()
  const calls = numbered(seed, format)
  for (const line of said) {
    const [event, digits] = line.split(' ')
    const number = Number(digits)
    if (event === 'd') {
      pending.get(number)?.()
      continue
    }
    const call = calls.next().value
    if (call === undefined || call.number !== number)
      throw new Error(`the child said ${line} when call ${call?.number} was next`)
    switch (call.do) {
      case 'write':
        pending.set(number, history.write(call.offset, call.length, now).done)
        break
      case 'trim':
      case 'zero':
        pending.set(number, history.zero(call.offset, call.length, now).done)
        break
      case 'resize':
        pending.set(number, history.zero(call.from, 48 * MIB - call.from, now).done)
        break
      case 'flush':
        pending.set(number, history.flush(now).done)
        break
      case 'compact':
        break
    }
  }
  return { history, cut: clock }
}

function* numbered(seed: number, format: 'vhd' | 'vhdx') {
  let number = 0
  for (const calls of killScript(new Random(seed), format === 'vhdx' ? MIB : 2 * MIB, 16 * MIB)) {
    for (const call of calls) yield { ...call, number: number++ }
  }
}
