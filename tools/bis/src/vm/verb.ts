import type { Arguments, OptionSpec } from '../command.ts'
import type { CallContext } from '../thread-calls.ts'
import type { ControlRequest } from './control-protocol.ts'
import type { VirtualMachine } from './virtual-machine.ts'

/** What a verb may use while it is served; who asked may be in another thread, and hang up. */
export type VerbContext = CallContext

/** One verb of `bis vm`: `bis vm VERB NAME …`, or `bis vm VERB ACTION NAME …`. */
export interface VmVerb {
  /** What follows the verb: `NAME …`. */
  readonly usage: string
  /** What the verb can do, by the word after it; that word is the first of the request. */
  readonly actions?: readonly string[]
  readonly summary: string
  readonly options: Readonly<Record<string, OptionSpec>>
  /** Most words after NAME; default 0. */
  readonly words?: number
  /** Changes the words of the command line before they are sent: makes paths absolute, for instance. */
  prepare?(words: readonly string[], args: Arguments): readonly string[]
  /** Does the work, in the machine's process. @returns plain data @throws CliError for what the user did wrong */
  serve(machine: VirtualMachine, request: ControlRequest, context: VerbContext): Promise<unknown> | unknown
  /** The result as text, its last newline included; with `--json` it is printed as it is. */
  show?(result: unknown, args: Arguments): string
}
