import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SeededRandom } from '@bis/hyperv-types'
import { checkFile, openFile } from '@bis/vhdx/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BisProcess } from '../bis-process.ts'
import { run } from '../images.ts'
import { NbdClient } from '../nbd-client.ts'
import { havePrograms } from '../programs.ts'
import { UNIT, UnitHistory } from '../unit-history.ts'

const MIB = 2 ** 20
const KILLS = Number(process.env['BIS_MACHINE_KILLS'] ?? 16)
const SEED = Number(process.env['BIS_SEED'] ?? 20141114)
/** Machines side by side, each with an image of its own that lives through all its kills. */
const MACHINES = 2
const BLOCK = MIB
const SMALLEST = 32 * MIB
const LARGEST = 80 * MIB

describe.skipIf(!havePrograms('qemu-img'))('a VHDX under a killed machine (skipped without qemu-img)', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bis-kill-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it(`[VX-03] [VX-07] keeps what was flushed over ${KILLS} kills under writes, trims and resizes (seed ${SEED})`, {
    timeout: 60_000 + KILLS * 5000,
  }, async () => {
    const counts = Array.from({ length: MACHINES }, (_, i) => Math.floor((KILLS + i) / MACHINES))
    await Promise.all(counts.map((kills, i) => new Victim(folder, i, SEED + i).live(kills)))
  })
})

/** A machine with one disk, killed again and again. */
class Victim {
  readonly #image: string
  readonly #socket: string
  readonly #random: SeededRandom
  readonly #history = new UnitHistory()
  /** Sizes that the disk may have. */
  #sizes = [SMALLEST]

  constructor(folder: string, index: number, seed: number) {
    this.#image = join(folder, `disk${index}.vhdx`)
    this.#socket = join(folder, `socket${index}`)
    this.#random = new SeededRandom(seed)
  }

  async live(kills: number): Promise<void> {
    await run('qemu-img', ['create', '-q', '-f', 'vhdx', '-o', 'block_size=1M', this.#image, String(SMALLEST)])
    for (let kill = 0; kill < kills; kill++) {
      const args = ['nbd', '--cpus', '1', '--memory', '16m', '--disk', this.#image, '--socket', this.#socket]
      const machine = new BisProcess(args)
      await machine.until(/nbd\+unix:\S+/)
      const client = await NbdClient.connect(this.#socket)
      const timer = setTimeout(() => void machine.end('SIGKILL'), 5 + this.#random.below(200))
      await this.#load(client)
      clearTimeout(timer)
      await machine.end('SIGKILL')
      client.destroy()
      await rm(this.#socket, { force: true })
      await this.#check(`kill ${kill} of ${this.#image}`)
    }
  }

  /** Writes, zeroes, trims, resizes and flushes until the machine is gone. */
  async #load(client: NbdClient): Promise<void> {
    for (;;) {
      const [size = 0] = this.#sizes
      const units = new Set(Array.from({ length: this.#random.below(12) + 1 }, () => this.#random.below(size / UNIT)))
      const writes = [...units].map(async (unit) => {
        const { content, done } = this.#history.write(unit)
        return succeed(client.write(unit * UNIT, content), done)
      })
      if ((await Promise.all(writes)).includes(false)) return
      if (this.#random.happens(0.4) && !(await this.#giveBack(client, size))) return
      if (this.#random.happens(0.15) && !(await this.#resize(client, size))) return
      if (this.#random.happens(0.6) && !(await succeed(client.flush(), this.#history.flush()))) return
    }
  }

  /** Whole blocks read as zero after a trim; of a part of one, nothing changes. */
  async #giveBack(client: NbdClient, size: number): Promise<boolean> {
    const blocks = 1 + this.#random.below(3)
    const start = this.#random.below(size / BLOCK - blocks) * BLOCK
    if (this.#random.happens(0.2)) return (await client.trim(start + UNIT, UNIT)) === 0
    const length = blocks * BLOCK
    const done = this.#history.zero(start / UNIT, (start + length) / UNIT)
    return succeed(this.#random.happens(0.5) ? client.trim(start, length) : client.writeZeroes(start, length), done)
  }

  /** A new size is stable when it is acknowledged; what was cut off is zeros if it comes back. */
  async #resize(client: NbdClient, size: number): Promise<boolean> {
    const wanted = SMALLEST + this.#random.below((LARGEST - SMALLEST) / MIB + 1) * MIB
    this.#sizes = [size, wanted]
    const done = this.#history.zero(Math.min(size, wanted) / UNIT, LARGEST / UNIT)
    if (!(await succeed(client.resize(wanted), done))) return false
    this.#sizes = [wanted]
    return true
  }

  /** Read-only first, where the log is replayed in memory; then as a program that goes on with it. */
  async #check(message: string): Promise<void> {
    for (const readOnly of [true, false]) {
      const disk = await openFile(this.#image, { readOnly })
      expect(this.#sizes, message).toContain(disk.sizeBytes)
      const found = await this.#history.check(disk).catch((error) => expect.fail(`${message}: ${error.message}`))
      if (!readOnly) {
        this.#sizes = [disk.sizeBytes]
        this.#history.restart(found)
      }
      await disk.close()
    }
    await run('qemu-img', ['check', '-q', '-f', 'vhdx', this.#image])
    expect(await checkFile(this.#image), message).toMatchObject({ ok: true })
  }
}

/** Notes a request as done when the server says so. @returns false when the server is gone */
async function succeed(answer: Promise<number>, done: () => void): Promise<boolean> {
  const error = await answer
  if (error > 0) throw new Error(`the server answers with error ${error}`)
  if (error === 0) done()
  return error === 0
}
