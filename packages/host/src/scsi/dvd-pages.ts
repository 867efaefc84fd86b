/** Fixed answers of a DVD-ROM drive with one track on its medium. Source: MMC-6. */

const TRACK_DATA = 0x14
const LEAD_OUT = 0xaa

/** READ TOC: format 0 tracks, format 1 the last session. Addresses as blocks, or as minutes, seconds and frames. */
export function toc(format: number, blockCount: number, inMinutes: boolean): Uint8Array {
  const track = (number: number, lba: number): number[] => [0, TRACK_DATA, number, 0, ...address(lba, inMinutes)]
  const entries = format === 0 ? [...track(1, 0), ...track(LEAD_OUT, blockCount)] : track(1, 0)
  return Uint8Array.of(0, entries.length + 2, 1, 1, ...entries)
}

function address(lba: number, inMinutes: boolean): number[] {
  if (!inMinutes) return word(lba)
  const frames = lba + 150
  return [0, Math.floor(frames / 4500) & 0xff, Math.floor(frames / 75) % 60, frames % 75]
}

/** READ DISC INFORMATION: complete, one session, one track. */
export function discInformation(blockCount: number): Uint8Array {
  const data = new Uint8Array(34)
  data.set([0, 32, 0x0e, 1, 1, 1, 1, 0x20])
  data.set(word(blockCount), 20)
  return data
}

/** READ TRACK INFORMATION: the one data track. */
export function trackInformation(blockCount: number): Uint8Array {
  const data = new Uint8Array(36)
  data.set([0, 34, 1, 1, 0, 4, 1, 0])
  data.set(word(blockCount), 24)
  return data
}

/** READ DVD STRUCTURE: physical format (0), copyright (1). @returns undefined for another format. */
export function dvdStructure(format: number, blockCount: number): Uint8Array | undefined {
  if (format === 1) return Uint8Array.of(0, 6, 0, 0, 0, 0, 0, 0)
  if (format !== 0) return undefined
  const data = new Uint8Array(2052)
  data.set([2050 >>> 8, 2050 & 0xff])
  // DVD-ROM, 12 cm, one layer; the data area begins at 30000h.
  data.set([0x01, 0x02, 0x01, 0x10, 0, 0x03, 0, 0], 4)
  data.set(word(0x30000 + Math.max(0, blockCount - 1)), 12)
  data[12] = 0
  return data
}

const PAGES: ReadonlyMap<number, readonly number[]> = new Map([
  // Error recovery.
  [0x01, [0x01, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
  // Power condition.
  [0x1a, [0x1a, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
  // Time-out and protect.
  [0x1d, [0x1d, 8, 0, 0, 0, 0, 0, 0, 0, 0]],
])
const ALL_PAGES = 0x3f

/** MODE SENSE(10): header and the page, or all. @returns undefined for a page there is not. */
export function modePages(page: number): Uint8Array | undefined {
  const content = page === ALL_PAGES ? [...PAGES.values()].flat() : PAGES.get(page)
  if (content === undefined) return undefined
  const length = content.length + 6
  return Uint8Array.of(length >>> 8, length & 0xff, 0, 0, 0, 0, 0, 0, ...content)
}

function word(value: number): number[] {
  return [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]
}
