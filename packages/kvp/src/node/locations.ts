import { existsSync } from 'node:fs'
import { KvpError } from '../errors.ts'

/** Folders of pool files by system, the usual one first. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  linux: ['/var/lib/hyperv', '/var/opt/hyperv'],
  freebsd: ['/var/db/hyperv/pool'],
}

/** Where this system's KVP daemon has its pools: the first of the known folders that is there, or the usual one. */
export function usualPoolFolder(platform: NodeJS.Platform = process.platform): string {
  const folders = FOLDERS[platform]
  const usual = folders?.[0]
  if (folders === undefined || usual === undefined) {
    throw new KvpError('no-pool', `no known place for KVP pools on ${platform}; name the folder`)
  }
  return folders.find((folder) => existsSync(folder)) ?? usual
}

/** A pool's file name in its folder. */
export function poolFileName(number: number): string {
  return `.kvp_pool_${number}`
}
