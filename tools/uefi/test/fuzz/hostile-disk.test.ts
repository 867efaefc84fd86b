import { fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import { DeviceError } from '@bis/hyperv-types'
import { crc32 } from '@bis/hyperv-types/struct'
import { expect, it } from 'vitest'
import { BootLoaderError, findBootLoader, readDiskContents } from '../../src/index.ts'
import { bootDisk, VOLUME } from '../support/boot-disk.ts'
import { memoryDisk } from '../support/memory-disk.ts'

/** No single disk may keep us this long. */
const MOST_MS = 3000
const EXTREMES = [0, 1, 0x7f, 0xff] as const
/** The root folder: behind the boot sector and two FATs. */
const ROOT = VOLUME + (1 + 2 * 32) * 512

/** Header, first entry, boot sector, FAT, root folder, first folders: where one byte changes most. */
const PLACES = [
  [512, 92],
  [1024, 128],
  [VOLUME, 64],
  [VOLUME + 512, 32],
  [ROOT, 96],
  [ROOT + 32 * 512, 1024],
] as const

it(
  'any bytes on a disk end in a loader or a typed error, in time',
  async () => {
    const pristine = bootDisk()
    const random = generator(fuzzSeed)
    const outcomes = new Map<string, number>()
    for (let run = 0; run < fuzzRuns(400); run++) {
      const bytes = pristine.slice()
      // The backup would mend what is done to the primary.
      if (random(2) === 0) bytes.fill(0, bytes.length - 512)
      for (let changes = 1 + random(6); changes > 0; changes--) {
        const [start, length] = PLACES[random(PLACES.length)] ?? PLACES[0]
        bytes[start + random(length)] = random(2) === 0 ? random(256) : (EXTREMES[random(EXTREMES.length)] ?? 0)
      }
      if (random(4) !== 0) reseal(bytes)
      const begin = performance.now()
      const outcome = await findBootLoader(memoryDisk(bytes)).then(() => 'found', codeOf)
      await readDiskContents(memoryDisk(bytes)).catch(codeOf)
      expect(performance.now() - begin).toBeLessThan(MOST_MS)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    // Shallow cases only would prove nothing.
    for (const wanted of ['found', 'no-loader', 'no-file-system', 'no-system-partition']) {
      expect(outcomes.get(wanted), wanted).toBeGreaterThan(0)
    }
  },
  fuzzTimeout(30_000),
)

it('folders that contain themselves are walked once', async () => {
  const bytes = bootDisk()
  const view = new DataView(bytes.buffer)
  // The folder EFI, whose every entry is a folder that is EFI.
  const folder = ROOT + 32 * 512
  for (let slot = 2; slot < 16; slot++) {
    bytes.set(new TextEncoder().encode(`LOOP${slot}`.padEnd(11)), folder + 32 * slot)
    bytes[folder + 32 * slot + 11] = 0x10
    view.setUint16(folder + 32 * slot + 26, 2, true)
  }
  expect((await readDiskContents(memoryDisk(bytes))).volumes[0]?.files).toEqual([])
})

function codeOf(error: unknown): string {
  if (error instanceof BootLoaderError || error instanceof DeviceError) return error.code
  throw error
}

/** Makes the CRCs right, as one who means harm would. */
function reseal(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer)
  view.setUint32(512 + 88, crc32(bytes.subarray(1024, 1024 + 128 * 128)), true)
  view.setUint32(512 + 16, 0, true)
  view.setUint32(512 + 16, crc32(bytes.subarray(512, 512 + 92)), true)
}

function generator(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
