import type { SysctlNode, TunableSysctl } from '@bis/hyperv-types'
import { NVSP_MAX_CHANNELS } from '@bis/hyperv-types/network'

/** What the driver can be told, by the loader's tunables and by whoever makes the driver. */
export interface NetvscSettings {
  /** Pages of each ring, control page included. Default 128. */
  readonly ringPages: number
  /** Bytes of the receive buffer; 0 for an eighth of the guest's memory, 16 MiB at most. */
  readonly receiveBufferBytes: number
  /** Bytes of the send buffer; 0 for 1 MiB for each channel, a thirty-second of the guest's memory at most. */
  readonly sendBufferBytes: number
  /** Packets at most in the host's hands, for each channel. Default 512. */
  readonly txDescriptors: number
  /** Large frames at most in the host's hands, for each channel. Default 32. */
  readonly largeBuffers: number
  /** Channels to use; 0 for as many as there may be, up to 8. `hw.hn.chan_cnt`. */
  readonly channelCount: number
  /** Frames up to so many bytes go by way of the send buffer; 0 for all that fit. `hw.hn.tx_chimney_size`. */
  readonly copyThreshold: number
  /** Frames joined into one message at most; 1 for none, 0 for what the host takes. `hw.hn.tx_agg_pkts`. */
  readonly aggregate: number
  /** Longest large send, in bytes. `hw.hn.tso_maxlen`, default 65535. */
  readonly tsoMaxBytes: number
  /** Let the host join TCP segments. `dev.hn.N.rsc_switch`; default on. */
  readonly coalesce: boolean
  /** Use a virtual function when the host gives one. `hw.hn.vf_transparent`, default 1. */
  readonly virtualFunctions: boolean
  /** Milliseconds to wait for each answer of the host. Default 10000. */
  readonly requestTimeoutMs: number
  /** Milliseconds without a completion, with something outstanding, before the device is started again. Default 20000. */
  readonly watchdogMs: number
  /** MTU at attach. Default 1500. */
  readonly mtu: number
}

export const DEFAULT_SETTINGS: NetvscSettings = {
  ringPages: 128,
  receiveBufferBytes: 0,
  sendBufferBytes: 0,
  txDescriptors: 512,
  largeBuffers: 32,
  channelCount: 0,
  copyThreshold: 0,
  aggregate: 0,
  tsoMaxBytes: 65_535,
  coalesce: true,
  virtualFunctions: true,
  requestTimeoutMs: 10_000,
  watchdogMs: 20_000,
  mtu: 1500,
}

const DEFAULT_CHANNELS = 8

/** How many channels to ask for. */
export function wantedChannels({ channelCount }: NetvscSettings, processorCount: number): number {
  return channelCount || Math.min(DEFAULT_CHANNELS, processorCount)
}

/** What the loader can set, by hn(4)'s names. */
export const TUNABLES: readonly TunableSysctl[] = [
  { name: 'hw.hn.chan_cnt', description: '# of channels to use', value: 0, min: 0, max: NVSP_MAX_CHANNELS },
  {
    name: 'hw.hn.tx_chimney_size',
    description: 'Chimney send packet size limit, 0 -- auto',
    value: 0,
    min: 0,
    max: 65_536,
  },
  {
    name: 'hw.hn.tx_agg_pkts',
    description: 'Packet transmission aggregation packets, 0 -- auto, 1 -- disable',
    value: 0,
    min: 0,
    max: 64,
  },
  { name: 'hw.hn.tso_maxlen', description: 'max TSO burst size', value: 65_535, min: 1500, max: 65_535 },
  { name: 'hw.hn.vf_transparent', description: 'use a virtual function when there is one', value: 1, min: 0, max: 1 },
]

/** @param sysctl the kernel's, with {@link TUNABLES} in it @param given counts more */
export function readSettings(sysctl: Pick<SysctlNode, 'get'>, given: Partial<NetvscSettings>): NetvscSettings {
  const number = (name: string): number => Number(sysctl.get(`hw.hn.${name}`))
  return {
    ...DEFAULT_SETTINGS,
    channelCount: number('chan_cnt'),
    copyThreshold: number('tx_chimney_size'),
    aggregate: number('tx_agg_pkts'),
    tsoMaxBytes: number('tso_maxlen'),
    virtualFunctions: number('vf_transparent') === 1,
    ...given,
  }
}
