/** A guest in a process of its own: boots on the root at a socket, and talks to its devices as long as it lives. */
import { bootTalker } from './talker.ts'

const { machine, talk } = await bootTalker(process.argv[2] ?? '')
process.stdout.write('booted\n')
void machine.rootGone.then((reason) => process.stdout.write(`root gone: ${reason}\n`))
await talk(Number.POSITIVE_INFINITY)
