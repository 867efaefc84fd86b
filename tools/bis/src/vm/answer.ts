import { CliError } from '../cli-error.ts'
import type { ControlRequest } from './control-protocol.ts'
import type { VerbContext } from './verb.ts'
import { VERBS } from './verbs/index.ts'
import type { VirtualMachine } from './virtual-machine.ts'

/** Does what is asked of a machine, where its host is. @returns plain data @throws CliError for what the user did wrong */
export async function answer(machine: VirtualMachine, request: ControlRequest, context: VerbContext): Promise<unknown> {
  if (machine.elsewhere !== undefined) return machine.elsewhere.answer(request, context)
  const verb = Object.hasOwn(VERBS, request.verb) ? VERBS[request.verb] : undefined
  if (verb === undefined) throw new CliError('usage', `${machine.name} knows no ${JSON.stringify(request.verb)}`)
  return verb.serve(machine, request, context)
}
