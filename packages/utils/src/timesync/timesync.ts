import type { Channel, Device, Driver, SysctlNode, TunableSysctl } from '@bis/hyperv-types'
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

/** FreeBSD's, and `slew`. */
const TUNABLES: readonly TunableSysctl[] = [
  flag('ignore_sync', 'do not set the clock when the host says so', 0),
  {
    name: 'hw.hvtimesync.sample_thresh',
    description: 'step the clock when it is so many ms behind; negative: never',
    value: 100,
    writable: true,
  },
  flag('slew', 'take small differences away slowly', 1),
  flag('sample_verbose', 'say more about each sample', 0),
]

function flag(name: string, description: string, value: 0 | 1): TunableSysctl {
  return { name: `hw.hvtimesync.${name}`, description, value, writable: true }
}

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
    tunables: TUNABLES,
    attach: (device) => attach(device, options),
  })
}

function attach(device: Device<Channel>, { hostTime = new HostTime() }: TimesyncOptions): IcHandlers {
  const { kernel, ivars: channel, log } = device
  const keeper = new TimeKeeper(kernel, log, hostTime, new CurrentSettings(kernel.sysctl))
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

/** They may be written at any time. */
class CurrentSettings implements TimesyncSettings {
  readonly #sysctl: Pick<SysctlNode, 'get'>

  constructor(sysctl: Pick<SysctlNode, 'get'>) {
    this.#sysctl = sysctl
  }

  get ignoreSync(): boolean {
    return this.#number('ignore_sync') !== 0
  }

  get sampleThreshold(): number {
    return this.#number('sample_thresh')
  }

  get slew(): boolean {
    return this.#number('slew') !== 0
  }

  get sampleVerbose(): boolean {
    return this.#number('sample_verbose') !== 0
  }

  #number(name: string): number {
    return Number(this.#sysctl.get(`hw.hvtimesync.${name}`))
  }
}

function publish({ sysctl }: Device<Channel>, keeper: TimeKeeper, hostTime: HostTime): void {
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
