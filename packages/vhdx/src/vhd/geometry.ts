export interface Chs {
  cylinders: number
  heads: number
  sectorsPerTrack: number
}

const MAX_CYLINDERS = 65_535
const MAX_HEADS = 16
const MAX_SECTORS = 255

/** Cylinders, heads and sectors for a disk size, by the algorithm in the VHD specification's appendix. */
export function chsGeometry(sizeBytes: number): Chs {
  const total = Math.min(Math.floor(sizeBytes / 512), MAX_CYLINDERS * MAX_HEADS * MAX_SECTORS)
  let sectorsPerTrack: number
  let heads: number
  let cylindersTimesHeads: number
  const tracks = (sectors: number) => Math.floor(total / sectors)
  if (total >= MAX_CYLINDERS * MAX_HEADS * 63) {
    sectorsPerTrack = MAX_SECTORS
    heads = MAX_HEADS
    cylindersTimesHeads = tracks(sectorsPerTrack)
  } else {
    sectorsPerTrack = 17
    cylindersTimesHeads = tracks(sectorsPerTrack)
    heads = Math.max(4, Math.ceil(cylindersTimesHeads / 1024))
    if (cylindersTimesHeads >= heads * 1024 || heads > MAX_HEADS) {
      sectorsPerTrack = 31
      heads = MAX_HEADS
      cylindersTimesHeads = tracks(sectorsPerTrack)
    }
    if (cylindersTimesHeads >= heads * 1024) {
      sectorsPerTrack = 63
      heads = MAX_HEADS
      cylindersTimesHeads = tracks(sectorsPerTrack)
    }
  }
  return { cylinders: Math.floor(cylindersTimesHeads / heads), heads, sectorsPerTrack }
}
