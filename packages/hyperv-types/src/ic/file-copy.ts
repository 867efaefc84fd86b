/** Copying a file into the guest. Source: include/uapi/linux/hyperv.h. */
import { at, bytes, guid, layout, u32, u64, utf16 } from '../struct/index.ts'

export const FileCopyOperation = { START: 0, WRITE: 1, COMPLETE: 2, CANCEL: 3 } as const

/** First bytes of every body; COMPLETE and CANCEL have no more. */
export const fileCopyHeader = layout(
  'hv_fcopy_hdr',
  { operation: u32, service_id0: guid, service_id1: guid },
  { size: 36 },
)

export const FILE_COPY_MAX_PATH = 260

export const fileCopyStart = layout(
  'hv_start_fcopy',
  {
    hdr: fileCopyHeader,
    file_name: utf16(FILE_COPY_MAX_PATH),
    path_name: utf16(FILE_COPY_MAX_PATH),
    copy_flags: u32,
    file_size: u64,
  },
  { size: 1088 },
)
export const FileCopyFlag = { OVERWRITE: 1, CREATE_PATH: 2 } as const

/** Most bytes of one WRITE. */
export const FILE_COPY_DATA_FRAGMENT = 6 * 1024

/** `copied` counts the bytes of `data` that are meant. */
export const fileCopyWrite = layout(
  'hv_do_fcopy',
  { hdr: fileCopyHeader, offset_in_file: at(40, u64), copied: u32, data: bytes(FILE_COPY_DATA_FRAGMENT) },
  { size: 6196 },
)

/** Version, major << 16 | minor. */
export const FILE_COPY_1_1 = 0x0001_0001
