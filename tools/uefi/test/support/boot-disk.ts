import { LOADER_PATHS, makeBootDisk } from '../../src/index.ts'

/** Where the volume of {@link makeBootDisk} begins. */
export const VOLUME = 64 * 512

export const loader = Uint8Array.from({ length: 20_001 }, (_, i) => Math.imul(i + 1, 2_654_435_761) >>> 24)

export const bootDisk = (): Uint8Array => makeBootDisk([{ path: LOADER_PATHS.x64, data: loader }])
