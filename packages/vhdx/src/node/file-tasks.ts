import { rm } from 'node:fs/promises'
import type { AzureRefusal } from '../azure.ts'
import { checkAzure } from '../azure.ts'
import type { CheckOptions } from '../check/check.ts'
import { check } from '../check/check.ts'
import type { Finding } from '../check/findings.ts'
import type { CheckReport } from '../check/report.ts'
import type { ConvertOptions } from '../convert.ts'
import { convert } from '../convert.ts'
import { DiskImageError } from '../errors.ts'
import type { MergeOptions } from '../merge.ts'
import { merge } from '../merge.ts'
import type { OpenOptions } from '../open.ts'
import { FileBackend } from './file-backend.ts'
import { nameMismatch } from './named-format.ts'
import { inFile, openFile } from './open-file.ts'
import { findParentFile } from './parent-files.ts'

/** Checks an image file, and repairs it with `repair`. */
export async function checkFile(path: string, options: CheckOptions = {}): Promise<CheckReport> {
  const backend = await FileBackend.open(path, { readOnly: options.repair !== true })
  try {
    const report = await inFile(path, () => check(backend, { findParent: findParentFile, ...options }))
    const mismatch = options.format === undefined ? nameMismatch(path, report.format) : undefined
    if (mismatch === undefined) return report
    const { code, message } = mismatch
    const finding: Finding = { code, severity: 'error', place: 'image', message, repairable: false, repaired: false }
    return { ...report, ok: false, findings: [finding, ...report.findings] }
  } finally {
    await backend.close()
  }
}

/** Why Azure would not take an image file; empty if it would. */
export async function checkAzureFile(path: string): Promise<AzureRefusal[]> {
  const backend = await FileBackend.open(path, { readOnly: true })
  try {
    return await inFile(path, () => checkAzure(backend))
  } finally {
    await backend.close()
  }
}

export interface ConvertFileOptions extends ConvertOptions {
  /** How the source is opened. */
  source?: Omit<OpenOptions, 'readOnly'>
}

/** Converts an image file into a new one, which must not exist. On failure no new file is left. */
export async function convertFile(
  sourcePath: string,
  targetPath: string,
  options: ConvertFileOptions = {},
): Promise<void> {
  const { source: sourceOptions, ...rest } = options
  const source = await openFile(sourcePath, { ...sourceOptions, readOnly: true })
  try {
    const target = await FileBackend.open(targetPath, { create: true })
    try {
      await inFile(targetPath, () => convert(source, target, rest))
    } catch (error) {
      await rm(targetPath, { force: true })
      throw error
    }
  } finally {
    await source.close()
  }
}

export interface MergeFileOptions extends Omit<MergeOptions, 'findParent'> {
  /** Delete the child's file when all is in the parent. Default false: it stays, and still reads the same. */
  removeChild?: boolean
}

/** Merges a differencing image file into its parent's file. Gives the parent's path. */
export async function mergeFile(childPath: string, options: MergeFileOptions = {}): Promise<string> {
  const { removeChild = false, ...rest } = options
  const parentPath = await parentOf(childPath, options)
  const child = await FileBackend.open(childPath)
  const parent = await FileBackend.open(parentPath).catch(async (error: unknown) => {
    await child.close()
    throw error
  })
  await inFile(childPath, () => merge(child, parent, { ...rest, findParent: findParentFile }))
  if (removeChild) await rm(childPath)
  return parentPath
}

async function parentOf(childPath: string, options: MergeFileOptions): Promise<string> {
  let path: string | undefined
  const disk = await openFile(childPath, {
    readOnly: true,
    ignoreParentTime: options.ignoreParentTime ?? false,
    findParent: async (paths, medium) => {
      const found = await findParentFile(paths, medium)
      path ??= found?.name
      return found
    },
  })
  await disk.close()
  if (path === undefined)
    throw new DiskImageError(
      'invalid-option',
      `${childPath}: is no differencing image and has no parent to merge it into`,
    )
  return path
}
