import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether every one of these programs is on the PATH: tests against them are skipped, by name, where one is missing. */
export function havePrograms(...names: string[]): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return names.every((name) => folders.some((folder) => isExecutable(join(folder, name))))
}

export const isThere = existsSync

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
