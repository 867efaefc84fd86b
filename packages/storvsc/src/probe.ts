import type { BlockGeometry } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import {
  CachingFlag,
  DeviceSpecific,
  ModePage,
  ProvisioningBit,
  ProvisioningFlag,
  readCapacity10,
  readCapacity16,
  ScsiOpcode,
  ServiceActionIn16,
  VpdPage,
  vpdBlockLimits,
  vpdLogicalBlockProvisioning,
} from '@bis/hyperv-types/scsi'
import type { StorvscAdapter } from './adapter.ts'
import type { CommandOptions } from './command.ts'
import { command } from './command.ts'
import type { InquiryFacts } from './inquiry.ts'
import type { ScsiAddress } from './scsi-address.ts'

/** What a disk told of itself besides INQUIRY. */
export interface DiskFacts {
  readonly geometry: BlockGeometry
  /** A medium is in the drive. */
  readonly mediaPresent: boolean
  /** Writes may stay in the disk's cache until a flush. */
  readonly writeCache: boolean
  /** The disk takes FUA: a write that is on the medium when it ends. */
  readonly forcesWrites: boolean
  /** Longest WRITE SAME in blocks; 0 when the disk names none. */
  readonly maxWriteSameBlocks: number
  /** Page 80h, when there is one. */
  readonly serial: string | undefined
  /** Page 83h as hexadecimal text: what tells one unit from another; empty without it. */
  readonly identity: string
  /** Pages of vital product data. */
  readonly pages: ReadonlySet<number>
}

/** Sends a command and reads its answer; rejects as {@link command}. */
export type Ask = (
  cdb: readonly number[],
  length: number,
) => Promise<{ readonly data: Uint8Array; readonly length: number }>

const SPC_3 = 5
const PAGE_BYTES = 252

/** A function that asks one unit. */
export function asker(adapter: StorvscAdapter, address: ScsiAddress, options: CommandOptions = {}): Ask {
  return async (cdb, length) => {
    const data = new Uint8Array(length)
    const { transferred } = await command(adapter, address, cdb, length === 0 ? options : { ...options, dataIn: data })
    return { data, length: transferred }
  }
}

/**
 * Finds out size, limits and cache of a disk or drive. What the unit does not know it does without; only a capacity there
 * must be, or no medium.
 * @throws DeviceError when the unit does not answer, or makes no sense
 */
export async function probeDisk(ask: Ask, inquiry: InquiryFacts, maxTransferBytes: number): Promise<DiskFacts> {
  const pages = new Set(inquiry.version >= SPC_3 - 1 ? await vitalPages(ask) : [])
  const serial = pages.has(VpdPage.UNIT_SERIAL_NUMBER) ? await serialNumber(ask) : undefined
  const fixed = { serial, pages, identity: await readIdentity(ask, pages) }
  if (!(await isReady(ask))) {
    const blockSize = 2048
    const geometry = { blockSize, physicalBlockSize: blockSize, blockCount: 0, readOnly: true, maxTransferBytes }
    return { geometry, mediaPresent: false, writeCache: false, forcesWrites: false, maxWriteSameBlocks: 0, ...fixed }
  }
  const capacity = await readCapacity(ask, inquiry.version)
  const mode = await modePage(ask)
  const limits = mode.readOnly || !pages.has(VpdPage.BLOCK_LIMITS) ? undefined : await blockLimits(ask)
  const trim =
    capacity.thin && limits !== undefined ? await trimLimits(ask, pages, limits, capacity.blockSize) : undefined
  const geometry: BlockGeometry = {
    blockSize: capacity.blockSize,
    physicalBlockSize: capacity.physicalBlockSize,
    blockCount: capacity.blockCount,
    readOnly: mode.readOnly || inquiry.type !== 0,
    maxTransferBytes: Math.floor(maxTransferBytes / capacity.blockSize) * capacity.blockSize,
    ...(trim === undefined ? {} : { trim }),
  }
  const { writeCache, forcesWrites } = mode
  const maxWriteSameBlocks = Math.min(limits?.maximum_write_same_length ?? 0, MAX_WRITE_SAME_BLOCKS)
  return { geometry, mediaPresent: true, writeCache, forcesWrites, maxWriteSameBlocks, ...fixed }
}

/** An answer, or undefined when the unit refuses the command. */
async function optional<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof DeviceError && (error.code === 'not-supported' || error.code === 'io')) return undefined
    throw error
  }
}

/** Whether a medium is there. @throws DeviceError for anything else that is wrong. */
export async function isReady(ask: Ask): Promise<boolean> {
  try {
    await ask([ScsiOpcode.TEST_UNIT_READY, 0, 0, 0, 0, 0], 0)
    return true
  } catch (error) {
    if (error instanceof DeviceError && error.code === 'no-media') return false
    throw error
  }
}

function vital(ask: Ask, page: number): ReturnType<Ask> {
  return ask([ScsiOpcode.INQUIRY, 1, page, 0, PAGE_BYTES, 0], PAGE_BYTES)
}

async function vitalPages(ask: Ask): Promise<readonly number[]> {
  const answer = await optional(vital(ask, VpdPage.SUPPORTED_PAGES))
  if (answer === undefined || answer.length < 4) return []
  const listed = new DataView(answer.data.buffer).getUint16(2)
  return [...answer.data.subarray(4, Math.min(4 + listed, answer.length))]
}

/** Page 83h, or '' for a unit without it. @throws DeviceError when it was there before and is no more. */
export async function readIdentity(ask: Ask, pages: ReadonlySet<number>): Promise<string> {
  if (!pages.has(VpdPage.DEVICE_IDENTIFICATION)) return ''
  const { data, length } = await vital(ask, VpdPage.DEVICE_IDENTIFICATION)
  return Array.from(data.subarray(0, length), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

async function serialNumber(ask: Ask): Promise<string | undefined> {
  const answer = await optional(vital(ask, VpdPage.UNIT_SERIAL_NUMBER))
  if (answer === undefined || answer.length < 4) return undefined
  const end = Math.min(4 + (answer.data[3] ?? 0), answer.length)
  return String.fromCharCode(...answer.data.subarray(4, end).filter((byte) => byte >= 0x20 && byte < 0x7f)).trim()
}

interface Capacity {
  readonly blockSize: number
  readonly physicalBlockSize: number
  readonly blockCount: number
  readonly thin: boolean
}

async function readCapacity(ask: Ask, version: number): Promise<Capacity> {
  const long = version >= SPC_3 ? await optional(capacity16(ask)) : undefined
  if (long !== undefined) return long
  const { data, length } = await ask([ScsiOpcode.READ_CAPACITY_10, 0, 0, 0, 0, 0, 0, 0, 0, 0], readCapacity10.size)
  const { last_lba, block_length } = readCapacity10.decode(data)
  if (length < readCapacity10.size) throw nonsense(`READ CAPACITY(10) with ${length} bytes`)
  if (last_lba === 0xffff_ffff) return capacity16(ask)
  return checkCapacity(last_lba + 1, block_length, 0, false)
}

async function capacity16(ask: Ask): Promise<Capacity> {
  const cdb = [ScsiOpcode.SERVICE_ACTION_IN_16, ServiceActionIn16.READ_CAPACITY_16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
  const { data, length } = await ask([...cdb, readCapacity16.size, 0, 0], readCapacity16.size)
  if (length < 12) throw nonsense(`READ CAPACITY(16) with ${length} bytes`)
  const { last_lba, block_length, exponents, provisioning } = readCapacity16.decode(data)
  return checkCapacity(last_lba + 1, block_length, exponents & 0xf, (provisioning & ProvisioningBit.LBPME) !== 0)
}

function checkCapacity(blockCount: number, blockSize: number, exponent: number, thin: boolean): Capacity {
  const isPowerOfTwo = blockSize >= 512 && blockSize <= 4096 && Number.isInteger(Math.log2(blockSize))
  if (!isPowerOfTwo || !Number.isSafeInteger(blockCount * blockSize)) {
    throw nonsense(`${blockCount} blocks of ${blockSize} bytes`)
  }
  return { blockCount, blockSize, physicalBlockSize: blockSize * 2 ** exponent, thin }
}

interface ModeFacts {
  readonly readOnly: boolean
  readonly writeCache: boolean
  readonly forcesWrites: boolean
}

async function modePage(ask: Ask): Promise<ModeFacts> {
  const answer = await optional(ask([ScsiOpcode.MODE_SENSE_6, 8, ModePage.ALL, 0, 64, 0], 64))
  if (answer === undefined || answer.length < 4) return { readOnly: false, writeCache: true, forcesWrites: false }
  const { data, length } = answer
  const readOnly = ((data[2] ?? 0) & DeviceSpecific.WRITE_PROTECTED) !== 0
  const forcesWrites = ((data[2] ?? 0) & DeviceSpecific.DPOFUA) !== 0
  let writeCache = true
  for (let at = 4 + (data[3] ?? 0); at + 3 <= length; at += 2 + (data[at + 1] ?? 0)) {
    if (((data[at] ?? 0) & 0x3f) !== ModePage.CACHING) continue
    writeCache = ((data[at + 2] ?? 0) & CachingFlag.WRITE_CACHE_ENABLE) !== 0
    break
  }
  return { readOnly, writeCache, forcesWrites }
}

type BlockLimits = ReturnType<typeof vpdBlockLimits.decode>

/** Page B0h; of a short one what is not there reads as zero, no limit named. */
async function blockLimits(ask: Ask): Promise<BlockLimits | undefined> {
  const answer = await optional(vital(ask, VpdPage.BLOCK_LIMITS))
  if (answer === undefined || answer.length < 36) return undefined
  answer.data.fill(0, answer.length)
  return vpdBlockLimits.decode(answer.data)
}

/** UNMAP is used only when all pages say so: provisioning, and limits that are not zero. */
async function trimLimits(
  ask: Ask,
  pages: ReadonlySet<number>,
  limits: BlockLimits,
  blockSize: number,
): Promise<BlockGeometry['trim']> {
  if (!pages.has(VpdPage.LOGICAL_BLOCK_PROVISIONING)) return undefined
  const provisioning = await optional(vital(ask, VpdPage.LOGICAL_BLOCK_PROVISIONING))
  if (provisioning === undefined || provisioning.length < vpdLogicalBlockProvisioning.size) return undefined
  if ((vpdLogicalBlockProvisioning.decode(provisioning.data).flags & ProvisioningFlag.LBPU) === 0) return undefined
  const maxBlocks = limits.maximum_unmap_lba_count
  const maxRanges = limits.maximum_unmap_block_descriptor_count
  if (maxBlocks === 0 || maxRanges === 0) return undefined
  const granularity = Math.max(1, limits.optimal_unmap_granularity)
  return { granularity, maxBlocks, maxRanges: Math.min(maxRanges, MAX_LIST_BYTES / 16, blockSize) }
}

/** WRITE SAME(16) counts blocks in 32 bits. */
const MAX_WRITE_SAME_BLOCKS = 0xffff_ffff

/** Longest UNMAP parameter list that is sent, in bytes. */
const MAX_LIST_BYTES = 4096

function nonsense(what: string): DeviceError {
  return new DeviceError('protocol', `the disk answers nonsense: ${what}`)
}
