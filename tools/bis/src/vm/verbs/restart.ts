import { shutDown } from '../power.ts'
import { POWER_OPTIONS, powerOrder } from '../power-options.ts'
import type { VmVerb } from '../verb.ts'

export const restart: VmVerb = {
  usage: 'NAME [--force] [--reason TEXT] [--timeout SECONDS]',
  summary: 'have the guest restart, and wait until it is off',
  options: POWER_OPTIONS,
  async serve(machine, { options }, context) {
    const { shutdown } = machine.running().services
    // Guests from before 2016's hosts know no restart: they are shut down, and started again here.
    const action = shutdown.state !== 'ready' || shutdown.knows('restart') ? 'restart' : 'shutdown'
    machine.startAgain = true
    try {
      return await shutDown(machine, powerOrder(action, options), context)
    } catch (error) {
      machine.startAgain = false
      throw error
    }
  },
}
