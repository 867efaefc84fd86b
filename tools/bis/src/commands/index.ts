import type { Command } from '../command.ts'

/** The commands by name, each loaded only when it is used. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  disk: async () => (await import('./disk/disk.ts')).disk,
}
