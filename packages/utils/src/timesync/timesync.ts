import type { Channel, Device, Driver, SysctlValue } from '@bis/hyperv-types'
import { HypervisorFault } from '@bis/hyperv-types'
import { IcMessageType, IcStatus, TIMESYNC_1_0, TIMESYNC_3_0, TIMESYNC_4_0 } from '@bis/hyperv-types/ic'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import { icDriver } from '../ic/ic-driver.ts'
import type { IcHandlers } from '../ic/ic-service.ts'
import { HostTime } from './host-time.ts'
import type { TimesyncSettings } from './time-keeper.ts'
import { TimeKeeper } from './time-keeper.ts'
import type { TimeSample } from './time-sample.ts'
import { readSample } from './time-sample.ts'

export interface TimesyncOptions {
  /** Kept up to date with the host's time: what a clock daemon reads. */
  readonly hostTime?: HostTime
}

const DEFAULTS: TimesyncSettings = { ignoreSync: false, sampleThreshold: 100, slew: true, sampleVerbose: false }

/**
 * The time synchronisation driver, `hvtimesync0`. Sets the clock when the host says so (after boot, resume, restore), and
 * when it finds itself more than `hw.hvtimesync.sample_thresh` milliseconds behind; smaller differences, and being ahead,
 * are slewed. Between sync and sample the clock never goes back.
 */
export function timesyncDriver(options: TimesyncOptions = {}): Driver<Channel> {
  return icDriver({
    name: 'hvtimesync',
    description: 'Hyper-V Timesync',
    interfaceId: InterfaceId.TIMESYNC,
    messageType: IcMessageType.TIMESYNC,
    versions: [TIMESYNC_4_0, TIMESYNC_3_0, TIMESYNC_1_0],
    attach: (device) => attach(device, options),
  })
}

function attach(device: Device<Channel>, { hostTime = new HostTime() }: TimesyncOptions): IcHandlers {
  const { kernel, ivars: channel, log } = device
  const settings = readSettings(device)
  const keeper = new TimeKeeper(kernel, log, hostTime, settings)
  publish(device, keeper, hostTime)
  /** The newest of what was in the ring: only that counts. */
  let newest: TimeSample | undefined
  return {
    onRequest(request) {
      const sample = readSample(request, referenceTime(channel))
      if (typeof sample === 'string') {
        keeper.dropped++
        log.log('warning', `dropped a ${sample} message`, sample)
        request.respond(sample === 'short' ? IcStatus.INVALID_ARGUMENT : IcStatus.S_OK)
        return
      }
      newest = { ...sample, sync: sample.sync || newest?.sync === true }
      request.respond()
    },
    onBatchEnd() {
      if (newest !== undefined) keeper.take(newest)
      newest = undefined
    },
    async suspend() {
      keeper.slew.stop()
    },
    dispose() {
      keeper.slew.stop()
      device.kernel.sysctl.child('hw.hvtimesync').remove()
    },
  }
}

/** Undefined as well when this partition may not read its counter. */
function referenceTime(channel: Channel): bigint | undefined {
  try {
    return channel.referenceTime?.()
  } catch (error) {
    if (error instanceof HypervisorFault) return undefined
    throw error
  }
}

function readSettings({ kernel: { tunables } }: Device<Channel>): TimesyncSettings {
  const flag = (name: string, value: boolean): boolean =>
    (tunables.getInt(`hw.hvtimesync.${name}`) ?? Number(value)) !== 0
  return {
    ignoreSync: flag('ignore_sync', DEFAULTS.ignoreSync),
    sampleThreshold: tunables.getInt('hw.hvtimesync.sample_thresh') ?? DEFAULTS.sampleThreshold,
    slew: flag('slew', DEFAULTS.slew),
    sampleVerbose: flag('sample_verbose', DEFAULTS.sampleVerbose),
  }
}

function publish({ kernel, sysctl }: Device<Channel>, keeper: TimeKeeper, hostTime: HostTime): void {
  const { settings } = keeper
  const hw = kernel.sysctl.child('hw.hvtimesync')
  const flag = (name: 'ignoreSync' | 'slew' | 'sampleVerbose') => {
    const set = (value: SysctlValue): void => {
      settings[name] = Number(value) !== 0
    }
    return [() => Number(settings[name]), set] as const
  }
  hw.leaf('ignore_sync', 'do not set the clock when the host says so', ...flag('ignoreSync'))
  hw.leaf('slew', 'take small differences away slowly', ...flag('slew'))
  hw.leaf('sample_verbose', 'say more about each sample', ...flag('sampleVerbose'))
  hw.leaf(
    'sample_thresh',
    'step the clock when it is so many ms behind; negative: never',
    () => settings.sampleThreshold,
    (value) => {
      settings.sampleThreshold = Number(value)
    },
  )
  sysctl.leaf('syncs', 'times the host has said to set the clock', () => keeper.syncs)
  sysctl.leaf('samples', 'times the host has told its time', () => keeper.samples)
  sysctl.leaf('steps', 'times the clock was set', () => keeper.steps)
  sysctl.leaf('slews', 'times the clock was slewed', () => keeper.slews)
  sysctl.leaf('bad_samples', 'messages that told no time', () => keeper.dropped)
  sysctl.leaf('offset_us', 'host time less guest time at the last message, in us', () =>
    Math.round(keeper.offset * 1000),
  )
  sysctl.leaf('slew_left_us', 'what is left to slew, in us', () => Math.round(keeper.slew.left * 1000))
  sysctl.leaf('drift_ppb', 'host clock against guest counter, parts per billion', () => keeper.driftPpb)
  sysctl.leaf('sample_age', 'seconds since the host told its time; -1: never', () => {
    return Number.isFinite(hostTime.age) ? Math.floor(hostTime.age / 1000) : -1
  })
}
