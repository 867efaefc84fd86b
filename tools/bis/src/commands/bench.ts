import { benchRing, benchTable } from '@bis/bench/ring'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'

const SUBJECTS = ['ring'] as const

export const bench: Command = {
  name: 'bench',
  summary: 'measure on this machine, with the memory-copy limit and a C program of the same rules in the same run',
  usage: `${SUBJECTS.join('|')} [--json]`,
  options: { json: { type: 'boolean', help: 'print JSON' } },
  positionals: 1,
  details: 'ring: packets and bytes per second for each kind of guest memory, latency between threads, heap growth.',
  async run(args, signal) {
    const [subject] = args.positionals
    if (subject !== 'ring') throw new CliError('usage', `bis bench: say what to measure: ${SUBJECTS.join(', ')}`)
    const rows = await benchRing({ signal })
    process.stdout.write(args.flag('json') ? `${JSON.stringify(rows, null, 2)}\n` : `${benchTable(rows)}\n`)
  },
}
