import type { SysctlNode, TunableSysctl } from '@bis/hyperv-types'

/** What the driver can be told, by the loader's tunables and by whoever makes the driver. */
export interface StorvscSettings {
  /** Pages of each ring, control page included. `hw.storvsc.ringbuffer_size`, default 64. */
  readonly ringPages: number
  /** Requests at most in the host's hands. `hw.storvsc.max_io`, default 512. */
  readonly maxIo: number
  /** Channels to use, the primary one included; 0 for as many as there may be. `hw.storvsc.chan_cnt`. */
  readonly channelCount: number
  /** Fill in the SRB's later fields. `hw.storvsc.use_win8ext_flags`, default 1. */
  readonly useExtension: boolean
  /** Seconds that a command may take. `kern.cam.da.default_timeout`, default 60. */
  readonly timeout: number
  /** How often a command that failed is tried again. `kern.cam.da.retry_count`, default 4. */
  readonly retryCount: number
  /** Milliseconds to wait for each answer of the handshake; longer than a command may take. Default 180000. */
  readonly handshakeTimeoutMs: number
  /** Pages for bounce buffers at most. Default 2048. */
  readonly bouncePages: number
  /** Longest transfer in bytes, if the host allows it. Default 1 MiB. */
  readonly maxTransferBytes: number
}

export const DEFAULT_SETTINGS: StorvscSettings = {
  ringPages: 64,
  maxIo: 512,
  channelCount: 0,
  useExtension: true,
  timeout: 60,
  retryCount: 4,
  handshakeTimeoutMs: 180_000,
  bouncePages: 2048,
  maxTransferBytes: 1024 * 1024,
}

/** What the loader can set, by the names of FreeBSD's storvsc and da(4). */
export const TUNABLES: readonly TunableSysctl[] = [
  {
    name: 'hw.storvsc.ringbuffer_size',
    description: 'pages of each ring',
    value: DEFAULT_SETTINGS.ringPages,
    min: 4,
    max: 1024,
  },
  { name: 'hw.storvsc.max_io', description: 'requests at once', value: DEFAULT_SETTINGS.maxIo, min: 1, max: 4096 },
  { name: 'hw.storvsc.chan_cnt', description: '# of channels to use', value: 0, min: 0, max: 4096 },
  { name: 'hw.storvsc.use_win8ext_flags', description: "fill in the SRB's later fields", value: 1, min: 0, max: 1 },
  {
    name: 'kern.cam.da.default_timeout',
    description: 'seconds that a command may take',
    value: DEFAULT_SETTINGS.timeout,
    min: 1,
    max: 3600,
  },
  {
    name: 'kern.cam.da.retry_count',
    description: 'tries of a command after the first',
    value: DEFAULT_SETTINGS.retryCount,
    min: 0,
    max: 100,
  },
]

/** @param sysctl the kernel's, with {@link TUNABLES} in it @param given counts more */
export function readSettings(sysctl: Pick<SysctlNode, 'get'>, given: Partial<StorvscSettings>): StorvscSettings {
  const number = (name: string): number => Number(sysctl.get(name))
  return {
    ...DEFAULT_SETTINGS,
    ringPages: number('hw.storvsc.ringbuffer_size'),
    maxIo: number('hw.storvsc.max_io'),
    channelCount: number('hw.storvsc.chan_cnt'),
    useExtension: number('hw.storvsc.use_win8ext_flags') === 1,
    timeout: number('kern.cam.da.default_timeout'),
    retryCount: number('kern.cam.da.retry_count'),
    ...given,
  }
}

/**
 * How many requests an adapter may have in the host's hands: what the setting allows, and no more than the longest of them
 * fit into one ring. At least 1, at most 4096, whatever the numbers.
 */
export function queueDepth(settings: StorvscSettings, maxTransferBytes: number): number {
  const ringBytes = (settings.ringPages - 1) * 4096
  const pages = Math.ceil(maxTransferBytes / 4096) + 1
  const longest = 16 + 16 + pages * 8 + 64 + 8
  const fits = Math.floor((ringBytes - 8) / longest)
  return Math.max(1, Math.min(settings.maxIo, Math.max(fits, 1), 4096))
}
