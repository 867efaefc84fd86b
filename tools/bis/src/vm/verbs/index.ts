import type { VmVerb } from '../verb.ts'
import { checkpoint } from './checkpoint.ts'
import { copyFile } from './copy-file.ts'
import { ip } from './ip.ts'
import { kldload, kldstat, kldunload } from './kld.ts'
import { kvp } from './kvp.ts'
import { nic } from './nic.ts'
import { nmi } from './nmi.ts'
import { restart } from './restart.ts'
import { show } from './show.ts'
import { stop } from './stop.ts'
import { sysctl } from './sysctl.ts'
import { time } from './time.ts'

/** The verbs by name, each in a file of its own. `list` needs no machine and is the command's. */
export const VERBS: Readonly<Record<string, VmVerb>> = {
  nic,
  show,
  stop,
  restart,
  kvp,
  ip,
  'copy-file': copyFile,
  checkpoint,
  time,
  nmi,
  kldstat,
  kldload,
  kldunload,
  sysctl,
}
