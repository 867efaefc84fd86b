import type { Channel, Clock } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { deviceGone } from '../errors.ts'

export interface AdoptionOptions {
  readonly primary: Channel
  /** Sub-channels that the host has promised. */
  readonly count: number
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
  open(channel: Channel, index: number): Promise<void>
}

/**
 * Opens the promised sub-channels as they are offered; resolves when all are open.
 * @throws DeviceError `timeout` when not all came, ChannelError when one could not be opened: those that were open are
 * closed again. DeviceError `removed` when the signal ends it: then all of them go with the primary channel
 */
export async function adoptSubchannels(options: AdoptionOptions): Promise<readonly Channel[]> {
  const { primary, count, clock, timeoutMs, signal } = options
  const opened: Channel[] = []
  let stopListening: () => void = () => {}
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = clock.after(timeoutMs, () =>
        reject(new DeviceError('timeout', `${opened.length} of ${count} sub-channels came`)),
      )
      const done = (): void => {
        timer.cancel()
        resolve()
      }
      const failed = (error: unknown): void => {
        timer.cancel()
        reject(error)
      }
      signal.addEventListener('abort', () => failed(deviceGone()), { once: true })
      stopListening = primary.onSubchannel((channel) => {
        const index = channel.offer.subIndex
        if (index < 1 || index > count || channel.state !== 'offered') return
        options.open(channel, index).then(() => {
          opened.push(channel)
          if (opened.length === count) done()
        }, failed)
      })
    })
    return opened
  } catch (error) {
    if (!signal.aborted) for (const channel of opened) await channel.close()
    throw error
  } finally {
    stopListening()
  }
}
