import type { TimesyncComponent } from '@bis/host'
import { IcError } from '@bis/host'
import { CliError } from '../../cli-error.ts'
import type { VmVerb } from '../verb.ts'

const ACTIONS: Readonly<Record<string, (timesync: TimesyncComponent) => Promise<void> | void>> = {
  sync: (timesync) => timesync.sync(),
  sample: (timesync) => timesync.sample(),
  enable(timesync) {
    timesync.enabled = true
  },
  disable(timesync) {
    timesync.enabled = false
  },
}

/** `bis vm time NAME [sync|sample|enable|disable]`. */
export const time: VmVerb = {
  usage: 'NAME [sync|sample|enable|disable]',
  summary: "set the guest's clock, tell it the time, or switch its time synchronisation on or off",
  options: {},
  words: 1,
  async serve(machine, { words: [word = 'sync'] }) {
    const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined
    if (action === undefined)
      throw new CliError(
        'usage',
        `bis vm time: no ${JSON.stringify(word)}; there is ${Object.keys(ACTIONS).join(', ')}`,
      )
    const { timesync } = machine.running().services
    try {
      await action(timesync)
    } catch (error) {
      if (error instanceof IcError) throw new CliError('failed', `${machine.name}: ${error.message}`)
      throw error
    }
  },
}
