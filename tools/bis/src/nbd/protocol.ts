/**
 * Numbers of the NBD protocol, fixed newstyle (NetworkBlockDevice/nbd, doc/proto.md), and of its experimental RESIZE
 * extension. All fields are big-endian.
 */

export const INIT_MAGIC = 0x4e42444d41474943n
export const OPTION_MAGIC = 0x49484156454f5054n
export const OPTION_REPLY_MAGIC = 0x0003e889045565a9n
export const REQUEST_MAGIC = 0x25609513
export const SIMPLE_REPLY_MAGIC = 0x67446698

/** Handshake flags, server and client alike. */
export const FIXED_NEWSTYLE = 1
export const NO_ZEROES = 2

export const Option = { exportName: 1, abort: 2, list: 3, info: 6, go: 7 } as const

export const OptionReply = {
  ack: 1,
  server: 2,
  info: 3,
  unsupported: 0x8000_0001,
  invalid: 0x8000_0003,
  unknownExport: 0x8000_0006,
} as const

export const Info = { export: 0, blockSize: 3 } as const

export const TransmissionFlag = {
  hasFlags: 1,
  readOnly: 2,
  sendFlush: 4,
  sendFua: 8,
  sendTrim: 32,
  sendWriteZeroes: 64,
  canMultiConn: 256,
  sendResize: 512,
} as const

export const NbdCommand = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, writeZeroes: 6, resize: 8 } as const

export const CommandFlag = { fua: 1, noHole: 2 } as const

export const NbdErrno = { perm: 1, io: 5, nomem: 12, inval: 22, nospc: 28, overflow: 75, shutdown: 108 } as const

/** Longest request served; what clients may rely on without asking is 32 MiB. */
export const MAX_REQUEST_BYTES = 32 * 1024 * 1024
/** Longest option payload taken before the client is refused. */
export const MAX_OPTION_BYTES = 65_536
