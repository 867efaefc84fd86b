import type { CrashReport, PortDelivery } from '@bis/hyperv-types'
import { formatVmbusVersion } from '@bis/hyperv-types/vmbus'
import type { Connection, MessageTarget, ViolationCause } from '../control/types.ts'
import type { LimitedLog } from './limited-log.ts'
import type { ChannelInfo } from './server-report.ts'
import { Counters } from './server-report.ts'

/** What a server writes down of its guest: the counters, and the lines of the log. */
export class ServerJournal {
  readonly counters = new Counters()
  readonly #guest: string
  readonly #log: LimitedLog

  constructor(guest: string, log: LimitedLog) {
    this.#guest = guest
    this.#log = log
  }

  connected({ version }: Connection): void {
    this.#log.log('info', `${this.#guest}: connected with VMBus ${formatVmbusVersion(version)}`, 'connected')
  }

  /** A message to the guest was posted, and this became of it. */
  posted({ vp, sint }: MessageTarget, delivery: PortDelivery): void {
    if (delivery !== 'full' && delivery !== 'invalid' && delivery !== 'gone') {
      this.counters.messagesSent++
      return
    }
    this.counters.lostMessages++
    const text = `${this.#guest}: message for SINT ${sint} of processor ${vp} lost: ${delivery}`
    this.#log.log('warning', text, 'message lost')
  }

  /** The guest broke the protocol. */
  violation(cause: ViolationCause, text: string): void {
    this.counters.violation(cause)
    this.#log.log('warning', `${this.#guest}: dropped: ${text}`, cause)
  }

  /** @param what became of the partition */
  partition(what: string): void {
    this.#log.log('info', `${this.#guest}: the partition ${what}`)
  }

  crashed({ parameters, message }: CrashReport): void {
    const text = message ?? parameters.map((parameter) => `0x${parameter.toString(16)}`).join(' ')
    this.#log.log('error', `${this.#guest}: the guest crashed: ${text}`, 'crash')
  }

  /** @param key tells channels apart: each may say so once in a while */
  channelBroken(name: string, reason: string, key: number): void {
    this.#log.log('error', `${name}: ${reason}`, `broken ${key}`)
  }

  stillBusy(channels: readonly ChannelInfo[]): void {
    const names = channels.map(({ instanceId, subIndex }) => `${instanceId}.${subIndex}`).join(', ')
    this.#log.log('error', `${this.#guest}: stopped while devices were still busy: ${names}`)
  }
}
