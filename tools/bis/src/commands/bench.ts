import { benchKvp, kvpTable } from '@bis/bench/kvp'
import { benchNetvsc, netvscTable } from '@bis/bench/netvsc'
import { benchRing, benchTable } from '@bis/bench/ring'
import { benchStorvsc, storvscTable } from '@bis/bench/storvsc'
import { benchVhdx, vhdxTable } from '@bis/bench/vhdx'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'

/** Measures one subject. @returns the rows, and how to show them to people */
type Bench = (signal: AbortSignal) => Promise<{ readonly rows: readonly object[]; readonly table: () => string }>

const BENCHES: Readonly<Record<string, Bench>> = {
  ring: async (signal) => {
    const rows = await benchRing({ signal })
    return { rows, table: () => benchTable(rows) }
  },
  netvsc: async (signal) => {
    const rows = await benchNetvsc({ signal })
    return { rows, table: () => netvscTable(rows) }
  },
  storvsc: async (signal) => {
    const rows = await benchStorvsc({ signal })
    return { rows, table: () => storvscTable(rows) }
  },
  vhdx: async (signal) => {
    const rows = await benchVhdx({ signal })
    return { rows, table: () => vhdxTable(rows) }
  },
  kvp: async (signal) => {
    const rows = await benchKvp({ signal })
    return { rows, table: () => kvpTable(rows) }
  },
}

const SUBJECTS = Object.keys(BENCHES)

export const bench: Command = {
  name: 'bench',
  summary: 'measure on this machine, with the memory-copy limit and a C program of the same rules in the same run',
  usage: `${SUBJECTS.join('|')} [--json]`,
  options: { json: { type: 'boolean', help: 'print JSON' } },
  positionals: 1,
  details: `ring: packets and bytes per second for each kind of guest memory, latency between threads, heap growth.
netvsc: frames of guest to guest over the virtual switch, small to large sends, with more ports and channels.
storvsc: reads from a RAM disk through driver, bus, host and SCSI target, in one thread and in two.
vhdx: read, write and convert an image of 512 MiB beside qemu-img; memory for an image of 64 TiB.
kvp: single keys of pool files of 16 to 10,000 keys.`,
  async run(args, signal) {
    const [subject = ''] = args.positionals
    const measure = Object.hasOwn(BENCHES, subject) ? BENCHES[subject] : undefined
    if (measure === undefined) throw new CliError('usage', `bis bench: say what to measure: ${SUBJECTS.join(', ')}`)
    const { rows, table } = await measure(signal)
    process.stdout.write(`${args.flag('json') ? JSON.stringify(rows, null, 2) : table()}\n`)
  },
}
