import { shutDown, turnOff } from '../power.ts'
import { POWER_OPTIONS, powerOrder } from '../power-options.ts'
import type { VmVerb } from '../verb.ts'

export const stop: VmVerb = {
  usage: 'NAME [--force] [--reason TEXT] [--timeout SECONDS] [--hibernate] | --turn-off',
  summary: 'shut the guest down and wait until it is off; --turn-off pulls the plug, --hibernate has it hibernate',
  options: {
    ...POWER_OPTIONS,
    'turn-off': { type: 'boolean', help: 'pull the plug; the guest is not asked' },
    hibernate: { type: 'boolean', help: 'have the guest hibernate' },
  },
  async serve(machine, { options }, context) {
    if (options['turn-off'] === true) return turnOff(machine)
    const action = options['hibernate'] === true ? 'hibernate' : 'shutdown'
    return shutDown(machine, powerOrder(action, options), context)
  },
}
