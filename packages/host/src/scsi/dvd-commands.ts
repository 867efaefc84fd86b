import { encodeSense, HYPERV_REVISION, HYPERV_VENDOR, ScsiOpcode, Sense, StartStopFlag } from '@bis/hyperv-types/scsi'
import { decodeBlockRange } from './block-range.ts'
import type { Dvd } from './dvd.ts'
import { DVD_BLOCK_BYTES } from './dvd.ts'
import { configuration } from './dvd-features.ts'
import { discInformation, dvdStructure, modePages, toc, trackInformation } from './dvd-pages.ts'
import { checkInquiry } from './inquiry.ts'
import type { ScsiRequest } from './request.ts'
import { putText } from './text.ts'
import { failed, readData } from './transfer.ts'
import { pageOf, t10Designator } from './vital-pages.ts'

type DvdCommand = (dvd: Dvd, request: ScsiRequest) => Promise<void> | undefined

/** Commands that end in 2/3A without a medium. */
export const NEEDS_MEDIUM: ReadonlySet<number> = new Set([
  ScsiOpcode.TEST_UNIT_READY,
  ScsiOpcode.READ_10,
  ScsiOpcode.READ_12,
  ScsiOpcode.READ_16,
  ScsiOpcode.READ_CAPACITY_10,
  ScsiOpcode.READ_TOC,
  ScsiOpcode.READ_DVD_STRUCTURE,
  ScsiOpcode.READ_DISC_INFORMATION,
  ScsiOpcode.READ_TRACK_INFORMATION,
])

/** Designator of every drive: Hyper-V's drives all have the same. */
const DRIVE_ID = Uint8Array.of(
  ...[0x73, 0x05, 0xe3, 0x43, 0x77, 0x03, 0x54, 0x46],
  ...[0x94, 0x95, 0x7d, 0x7c, 0xed, 0x62, 0x4a, 0x7d],
)
const CD_DVD = 0x05
const REMOVABLE = 0x80

/** Commands of a DVD-ROM drive by opcode. Source: MMC-6. */
export const dvdCommands: readonly (DvdCommand | undefined)[] = table([
  [ScsiOpcode.TEST_UNIT_READY, (_dvd, request) => request.good()],
  [ScsiOpcode.REQUEST_SENSE, requestSense],
  [ScsiOpcode.INQUIRY, inquiry],
  [ScsiOpcode.START_STOP_UNIT, startStop],
  [ScsiOpcode.PREVENT_ALLOW_MEDIUM_REMOVAL, preventAllow],
  [ScsiOpcode.READ_CAPACITY_10, capacity],
  [ScsiOpcode.READ_10, read],
  [ScsiOpcode.READ_12, read],
  [ScsiOpcode.READ_16, read],
  [ScsiOpcode.READ_TOC, readToc],
  [ScsiOpcode.GET_CONFIGURATION, getConfiguration],
  [ScsiOpcode.GET_EVENT_STATUS_NOTIFICATION, getEventStatus],
  [
    ScsiOpcode.READ_DISC_INFORMATION,
    (dvd, request) => answer(request, discInformation(dvd.blockCount), u16(request, 7)),
  ],
  [
    ScsiOpcode.READ_TRACK_INFORMATION,
    (dvd, request) => answer(request, trackInformation(dvd.blockCount), u16(request, 7)),
  ],
  [ScsiOpcode.READ_DVD_STRUCTURE, readStructure],
  [ScsiOpcode.MECHANISM_STATUS, (_dvd, request) => answer(request, new Uint8Array(8), u16(request, 8))],
  [ScsiOpcode.MODE_SENSE_10, modeSense],
  [ScsiOpcode.GET_PERFORMANCE, getPerformance],
  [ScsiOpcode.SET_STREAMING, (_dvd, request) => request.good(request.data.length)],
])

function u16(request: ScsiRequest, offset: number): number {
  return request.view.getUint16(offset)
}

/** As much of the answer as was asked for; a buffer shorter than that is an overrun, without sense. */
function answer(request: ScsiRequest, data: Uint8Array, allocation: number): undefined {
  return request.data.length < Math.min(allocation, data.length) ? request.overrun() : request.reply(data, allocation)
}

function requestSense(_dvd: Dvd, request: ScsiRequest): undefined {
  return answer(request, encodeSense(Sense.NO_SENSE), request.byte(4))
}

function inquiry(dvd: Dvd, request: ScsiRequest): undefined {
  const allocation = checkInquiry(request)
  if (allocation < 0) return undefined
  if ((request.byte(1) & 1) !== 0) {
    if (request.byte(2) === 0x00) return answer(request, pageOf(0x00, [0x00, 0x83], 2, CD_DVD), allocation)
    if (request.byte(2) !== 0x83) return request.check(Sense.INVALID_FIELD_IN_CDB, 2)
    return answer(request, pageOf(0x83, t10Designator(DRIVE_ID), 28, CD_DVD), allocation)
  }
  const data = new Uint8Array(36)
  data.set([CD_DVD, REMOVABLE, 0, 2, 31, 0, 0, 0])
  putText(data, 8, HYPERV_VENDOR.padEnd(8))
  putText(data, 16, dvd.product.padEnd(16).slice(0, 16))
  putText(data, 32, HYPERV_REVISION.padEnd(4))
  return answer(request, data, allocation)
}

function startStop(dvd: Dvd, request: ScsiRequest): undefined {
  const flags = request.byte(4)
  if ((flags & StartStopFlag.LOAD_EJECT) === 0) return request.good()
  if ((flags & StartStopFlag.START) !== 0) dvd.closeTray()
  else if (dvd.prevented || dvd.persistentlyPrevented) return request.check(Sense.MEDIUM_REMOVAL_PREVENTED)
  else dvd.openTray()
  return request.good()
}

function preventAllow(dvd: Dvd, request: ScsiRequest): undefined {
  const prevent = (request.byte(4) & 1) !== 0
  if ((request.byte(4) & 2) !== 0) dvd.persistentlyPrevented = prevent
  else dvd.prevented = prevent
  return request.good()
}

function capacity(dvd: Dvd, request: ScsiRequest): undefined {
  if (request.data.length < 8) return request.overrun()
  const data = new Uint8Array(8)
  const view = new DataView(data.buffer)
  view.setUint32(0, Math.max(0, dvd.blockCount - 1))
  view.setUint32(4, DVD_BLOCK_BYTES)
  return request.reply(data, 8)
}

function read(dvd: Dvd, request: ScsiRequest): Promise<void> | undefined {
  decodeBlockRange(request)
  const length = request.blocks * DVD_BLOCK_BYTES
  const { medium } = dvd
  if (request.lba + request.blocks > dvd.blockCount || medium === undefined) {
    return request.check(Sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE)
  }
  if (length === 0) return request.good()
  if (length > request.data.length) return request.overrun()
  if (request.direction === 0) return request.check(Sense.INVALID_FIELD_IN_CDB)
  try {
    const pending = readData(medium, request.lba * DVD_BLOCK_BYTES, request, length)
    if (pending === undefined) return request.good(length)
    return pending.then(
      () => request.good(length),
      (error: unknown) => failed(request, error, false),
    )
  } catch (error) {
    return failed(request, error, false)
  }
}

function readToc(dvd: Dvd, request: ScsiRequest): undefined {
  // The format is in byte 2, or, as older initiators have it, in the top bits of byte 9.
  const format = request.byte(2) & 0x0f || request.byte(9) >>> 6
  if (format > 1) return request.check(Sense.INVALID_FIELD_IN_CDB, 2)
  const inMinutes = (request.byte(1) & 2) !== 0
  return answer(request, toc(format, dvd.blockCount, inMinutes), u16(request, 7))
}

function getConfiguration(dvd: Dvd, request: ScsiRequest): undefined {
  const data = configuration(request.byte(1) & 3, u16(request, 2), dvd.medium !== undefined)
  return data === undefined ? request.check(Sense.INVALID_FIELD_IN_CDB, 1) : answer(request, data, u16(request, 7))
}

const MEDIA_CLASS = 4

/** Polled only: what happened to the medium since the last poll. */
function getEventStatus(dvd: Dvd, request: ScsiRequest): undefined {
  if ((request.byte(1) & 1) === 0) return request.check(Sense.INVALID_FIELD_IN_CDB, 1)
  const wanted = (request.byte(4) & (1 << MEDIA_CLASS)) !== 0
  if (!wanted) return answer(request, Uint8Array.of(0, 2, 0x80, 1 << MEDIA_CLASS), u16(request, 7))
  const presence = (dvd.medium === undefined ? 0 : 2) | (dvd.trayOpen ? 1 : 0)
  const data = Uint8Array.of(0, 6, MEDIA_CLASS, 1 << MEDIA_CLASS, dvd.takeEvent(), presence, 0, 0)
  return answer(request, data, u16(request, 7))
}

function readStructure(dvd: Dvd, request: ScsiRequest): undefined {
  const data = dvdStructure(request.byte(7), dvd.blockCount)
  return data === undefined ? request.check(Sense.INVALID_FIELD_IN_CDB, 7) : answer(request, data, u16(request, 8))
}

function modeSense(_dvd: Dvd, request: ScsiRequest): undefined {
  if (request.byte(2) >>> 6 === 3) return request.check(Sense.SAVING_PARAMETERS_NOT_SUPPORTED)
  const data = modePages(request.byte(2) & 0x3f)
  return data === undefined ? request.check(Sense.INVALID_FIELD_IN_CDB, 2) : answer(request, data, u16(request, 7))
}

/** No performance descriptors: the header alone. */
function getPerformance(_dvd: Dvd, request: ScsiRequest): undefined {
  return answer(request, Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0), 8)
}

function table(entries: readonly (readonly [number, DvdCommand])[]): readonly (DvdCommand | undefined)[] {
  const commands = new Array<DvdCommand | undefined>(256).fill(undefined)
  for (const [opcode, command] of entries) commands[opcode] = command
  return commands
}
