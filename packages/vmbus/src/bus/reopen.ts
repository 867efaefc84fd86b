import type { ChannelOpenOptions } from '@bis/hyperv-types'
import { ChannelError } from '@bis/hyperv-types'
import type { VmbusChannel } from '../channel/channel.ts'

/** Channels that were open when the machine was suspended, because their drivers have no suspend of their own. */
export class ReopenList {
  readonly #entries: { readonly channel: VmbusChannel; readonly options: ChannelOpenOptions }[] = []

  /** Closes the open ones of these channels and notes how they were opened. */
  async close(channels: readonly VmbusChannel[]): Promise<void> {
    for (const channel of channels) {
      const options = channel.openOptions
      if (options !== undefined) this.#entries.push({ channel, options })
    }
    await Promise.all(channels.map((channel) => channel.close()))
  }

  /** Opens them as they were; a driver whose channel cannot be opened is told by its `onFailure`. */
  async open(): Promise<void> {
    for (const { channel, options } of this.#entries.splice(0)) {
      if (channel.state !== 'offered') continue
      await channel.open(options).catch((cause: Error) => {
        const text = `the channel could not be opened again: ${cause.message}`
        options.onFailure?.(new ChannelError('protocol', text, { cause }))
      })
    }
  }
}
