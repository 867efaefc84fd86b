export type { AzureRefusal, AzureRefusalCode } from './azure.ts'
export { checkAzure } from './azure.ts'
export type { Backend } from './backend.ts'
export type { CheckOptions } from './check/check.ts'
export { check } from './check/check.ts'
export type { Finding, FindingCode, Severity } from './check/findings.ts'
export type { CheckReport } from './check/report.ts'
export type { ConvertOptions } from './convert.ts'
export { convert } from './convert.ts'
export type { CreateOptions } from './create.ts'
export { create } from './create.ts'
export type { CreateChildOptions } from './create-child.ts'
export { createChild } from './create-child.ts'
export type { DiskImageErrorCode } from './errors.ts'
export { DiskImageError } from './errors.ts'
export { MemoryBackend } from './memory-backend.ts'
export type { MergeOptions } from './merge.ts'
export { merge } from './merge.ts'
export type { OpenOptions } from './open.ts'
export { detectFormat, open } from './open.ts'
export type { ParentFinder } from './parent.ts'
export type { Environment } from './shared/environment.ts'
export { formatGuid, formatUuid, parseGuid } from './shared/guid.ts'
export type { TaskOptions } from './task.ts'
export type {
  Extent,
  ExtentOptions,
  ImageFormat,
  ImageInfo,
  ImageType,
  ParentPath,
  SectorSize,
  VirtualDisk,
} from './virtual-disk.ts'
