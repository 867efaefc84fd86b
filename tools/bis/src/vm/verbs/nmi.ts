import { CliError } from '../../cli-error.ts'
import type { VmVerb } from '../verb.ts'

export const nmi: VmVerb = {
  usage: 'NAME',
  summary: 'inject a non-maskable interrupt',
  options: {},
  async serve(machine) {
    const { hardware } = machine.running()
    if (hardware === undefined)
      throw new CliError(
        'failed',
        `${machine.name}: its hypervisor is in another process, which takes no interrupts from here`,
      )
    await hardware.injectNmi()
  },
}
