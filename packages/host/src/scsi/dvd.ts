import type { DiskBackend } from './backend.ts'

/** Blocks of optical media. */
export const DVD_BLOCK_BYTES = 2048

/** What the commands of an optical drive work on. */
export interface Dvd {
  /** The medium in the drive; its sectors may be smaller than the drive's blocks. */
  readonly medium: DiskBackend | undefined
  readonly product: string
  readonly trayOpen: boolean
  /** The guest wants the medium to stay. */
  prevented: boolean
  persistentlyPrevented: boolean
  /** Whole blocks on the medium. */
  readonly blockCount: number
  /** The media event that was not told yet, and it is told: 0 none, 2 new media, 3 media removal. */
  takeEvent(): number
  /** The guest ejects or loads. */
  openTray(): void
  closeTray(): void
}
