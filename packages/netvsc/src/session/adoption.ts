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
  let givenUp = false
  let end: () => void = () => {}
  try {
    await new Promise<void>((resolve, reject) => {
      const late = (): void => reject(new DeviceError('timeout', `${opened.length} of ${count} sub-channels came`))
      const gone = (): void => reject(deviceGone())
      const timer = clock.after(timeoutMs, late)
      signal.addEventListener('abort', gone)
      const adopt = async (channel: Channel, index: number): Promise<void> => {
        await options.open(channel, index)
        // One that opens when the others have been given up goes after them.
        if (givenUp) return channel.close()
        opened.push(channel)
        if (opened.length === count) resolve()
      }
      const stopListening = primary.onSubchannel((channel) => {
        const index = channel.offer.subIndex
        if (index >= 1 && index <= count && channel.state === 'offered') adopt(channel, index).catch(reject)
      })
      end = () => {
        timer.cancel()
        signal.removeEventListener('abort', gone)
        stopListening()
      }
    })
    return opened
  } catch (error) {
    givenUp = !signal.aborted
    if (givenUp) for (const channel of opened) await channel.close()
    throw error
  } finally {
    end()
  }
}
