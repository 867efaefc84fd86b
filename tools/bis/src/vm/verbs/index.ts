import type { VmVerb } from '../verb.ts'
import { show } from './show.ts'

/** The verbs by name, each in a file of its own. `list` needs no machine and is the command's. */
export const VERBS: Readonly<Record<string, VmVerb>> = {
  show,
}
