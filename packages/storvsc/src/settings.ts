import type { Tunables } from '@bis/hyperv-types'

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

/** Reads the tunables; what was given to the driver counts more, and nonsense is brought into range. */
export function readSettings(tunables: Tunables, given: Partial<StorvscSettings>): StorvscSettings {
  const number = (name: string, fallback: number, min: number, max: number): number =>
    Math.min(max, Math.max(min, tunables.getInt(name) ?? fallback))
  const defaults = DEFAULT_SETTINGS
  return {
    ...defaults,
    ringPages: number('hw.storvsc.ringbuffer_size', defaults.ringPages, 4, 1024),
    maxIo: number('hw.storvsc.max_io', defaults.maxIo, 1, 4096),
    channelCount: number('hw.storvsc.chan_cnt', defaults.channelCount, 0, 4096),
    useExtension: number('hw.storvsc.use_win8ext_flags', 1, 0, 1) === 1,
    timeout: number('kern.cam.da.default_timeout', defaults.timeout, 1, 3600),
    retryCount: number('kern.cam.da.retry_count', defaults.retryCount, 0, 100),
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
