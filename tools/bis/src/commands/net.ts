import { BOOT_OPTIONS, parseBootOptions } from '../boot-options.ts'
import { BootedMachine } from '../booted-machine.ts'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'
import { aborted } from '../interrupt.ts'
import { bridge } from '../network/bridge.ts'
import { NIC_DETAILS, NIC_USAGE } from '../network/nic-option.ts'
import { parseSocketOption, SOCKET_OPTION } from '../socket-option.ts'

const MTU_MIN = 68
const MTU_MAX = 9202

export const net: Command = {
  name: 'net',
  summary: "boot, and export the guest's hn0 (through netvsc, VMBus and the host) as a QEMU stream server",
  usage: `--nic ${NIC_USAGE} --socket PATH [--mtu N] [--capture FILE]`,
  options: {
    ...BOOT_OPTIONS,
    socket: SOCKET_OPTION,
    mtu: { type: 'string', value: 'N', help: `MTU of hn0, ${MTU_MIN} to ${MTU_MAX}; default 1500` },
  },
  details: `Frames of whoever connects go out by hn0, whatever their source address; runs until Ctrl-C. A bis host that\nplays the root must have given its NIC with spoof.\n\n${NIC_DETAILS}`,
  async run(args, signal) {
    const options = parseBootOptions(args)
    const path = await parseSocketOption('net', args)
    const nics = options.root.kind === 'socket' ? 1 : options.nics.length
    if (nics !== 1) throw new CliError('usage', 'bis net: give --nic PORT once')
    const mtu = parseMtu(args.text('mtu'))
    const print = (line: string): void => void process.stderr.write(`${line}\n`)
    // A bridge passes on frames of others, and whole ones only.
    const choices = { spoofing: true, coalesce: false }
    await using booted = await BootedMachine.boot(options, options.verbose ? print : () => {}, choices)
    const network = booted.machine.kernel.interfaces.get('hn0')
    if (network === undefined)
      throw new CliError('failed', 'the guest has no hn0; bis boot with the same flags shows why')
    await network.configure({ promiscuous: true, ...(mtu === undefined ? {} : { mtu }) })
    await using bridged = await bridge(network, path)
    process.stdout.write(`hn0 is at ${path}: -netdev stream,id=net0,server=off,addr.type=unix,addr.path=${path}\n`)
    await Promise.race([booted.ended(), aborted(signal)])
    await bridged[Symbol.asyncDispose]()
    await booted.powerOff()
    if (bridged.dropped > 0) print(`${bridged.dropped} frames dropped`)
  },
}

function parseMtu(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const mtu = /^\d+$/.test(text) ? Number(text) : 0
  if (mtu < MTU_MIN || mtu > MTU_MAX) throw new CliError('usage', `--mtu ${text}: ${MTU_MIN} to ${MTU_MAX}`)
  return mtu
}
