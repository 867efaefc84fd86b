import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bis, exportDisk } from '../bis-process.ts'
import { run } from '../images.ts'
import { NbdClient } from '../nbd-client.ts'
import { havePrograms } from '../programs.ts'

const KILLS = Number(process.env['BIS_KILLS'] ?? 50)
const SEED = Number(process.env['BIS_SEED'] ?? 20141114)
const DISK_BYTES = 256 * 2 ** 20
const UNIT = 65_536
const UNITS = DISK_BYTES / UNIT

/** A small generator with a seed, so that a failing run can be repeated (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Every 8 bytes of a unit tell which unit it is and the how-manieth write of it. */
function content(unit: number, version: number): Buffer {
  const data = Buffer.alloc(UNIT)
  for (let at = 0; at < UNIT; at += 8) {
    data.writeUInt32LE(unit, at)
    data.writeUInt32LE(version, at + 4)
  }
  return data
}

describe.skipIf(!havePrograms('qemu-img'))('a VHDX under a killed process (skipped without qemu-img)', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bis-kill-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it(`[VX-03] keeps every flushed write over ${KILLS} kills (seed ${SEED})`, { timeout: 600_000 }, async () => {
    const random = generator(SEED)
    const image = join(folder, 'disk.vhdx')
    await run('qemu-img', ['create', '-q', '-f', 'vhdx', '-o', 'block_size=1M', image, String(DISK_BYTES)])
    /** Versions written since the last check, and the one that must at least be there. */
    const written = new Uint32Array(UNITS)
    const flushed = new Uint32Array(UNITS)

    for (let kill = 0; kill < KILLS; kill++) {
      const socket = join(folder, 'socket')
      const { process } = await exportDisk(image, socket)
      const client = await NbdClient.connect(socket)
      const timer = setTimeout(() => void process.end('SIGKILL'), 20 + random() * 200)
      await load(client, random, written, flushed)
      clearTimeout(timer)
      await process.end('SIGKILL')
      client.destroy()
      await rm(socket, { force: true })

      const opened = await bis('disk', 'info', image)
      expect(opened.stderr).toBe('')
      expect(opened.status).toBe(0)
      await repairByOpening(image, socket)
      await run('qemu-img', ['check', '-q', '-f', 'vhdx', image])
      await verify(image, written, flushed)
    }
  })

  /** Writes and flushes until the server is gone. */
  async function load(
    client: NbdClient,
    random: () => number,
    written: Uint32Array,
    flushed: Uint32Array,
  ): Promise<void> {
    for (;;) {
      const batch: Promise<number>[] = []
      for (let i = 0; i < 1 + random() * 12; i++) {
        const unit = Math.floor(random() * UNITS)
        const version = (written[unit] ?? 0) + 1
        written[unit] = version
        batch.push(client.write(unit * UNIT, content(unit, version)))
      }
      if ((await Promise.all(batch)).some((error) => error !== 0)) return
      const acknowledged = written.slice()
      if ((await client.flush()) !== 0) return
      flushed.set(acknowledged)
    }
  }

  /** Opening for writing replays the log; leaving in good order leaves it clean for other programs. */
  async function repairByOpening(image: string, socket: string): Promise<void> {
    const { process } = await exportDisk(image, socket)
    expect((await process.end()).stderr).toBe('')
  }

  async function verify(image: string, written: Uint32Array, flushed: Uint32Array): Promise<void> {
    const raw = join(folder, 'raw')
    await run('qemu-img', ['convert', '-f', 'vhdx', '-O', 'raw', image, raw])
    const file = await open(raw)
    const data = Buffer.alloc(UNIT)
    for (let unit = 0; unit < UNITS; unit++) {
      if (written[unit] === 0) continue
      await file.read(data, 0, UNIT, unit * UNIT)
      let lowest = Number.POSITIVE_INFINITY
      let highest = 0
      for (let at = 0; at < UNIT; at += 4096) {
        const version = data.readUInt32LE(at + 4)
        if (version !== 0) expect(data.readUInt32LE(at)).toBe(unit)
        lowest = Math.min(lowest, version)
        highest = Math.max(highest, version)
      }
      expect(lowest).toBeGreaterThanOrEqual(flushed[unit] ?? 0)
      expect(highest).toBeLessThanOrEqual(written[unit] ?? 0)
      // The image was opened and closed in good order since: what is there now stays.
      flushed[unit] = lowest
      written[unit] = highest
    }
    await file.close()
  }
})
