import { BOOT_OPTIONS, parseBootOptions } from '../boot-options.ts'
import { BootedMachine } from '../booted-machine.ts'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'
import { aborted } from '../interrupt.ts'
import type { SelfTest } from '../self-test.ts'
import { testDisk, testNetwork } from '../self-test.ts'

export const boot: Command = {
  name: 'boot',
  summary: 'power on a machine, print dmesg, test every device found, power off',
  usage:
    '[--disk FILE[,bus=scsi|ide][,ro]]… [--nic PORT[,mac=MAC][,vlan=ID]]… [--host RELEASE] [--gen 1|2] [--cpus N] [--memory SIZE] [--stay]',
  options: {
    ...BOOT_OPTIONS,
    stay: { type: 'boolean', help: 'stay on until Ctrl-C or until the guest is shut down' },
    json: { type: 'boolean', help: 'print JSON: dmesg, devices, tests' },
  },
  async run(args, signal) {
    const options = parseBootOptions(args)
    const json = args.flag('json')
    const print = json ? (): void => {} : (line: string): void => void process.stdout.write(`${line}\n`)
    await using booted = await BootedMachine.boot(options, print)
    const tests: SelfTest[] = []
    const networks = booted.machine.kernel.interfaces.list()
    for (const item of [...booted.disks, ...networks]) {
      const test = 'read' in item ? await testDisk(item) : testNetwork(item)
      tests.push(test)
      print(`${test.device}: ${test.passed ? 'ok' : 'FAILED'}: ${test.text}`)
    }
    if (args.flag('stay')) await Promise.race([booted.ended(), aborted(signal)])
    else signal.throwIfAborted()
    if (json) process.stdout.write(`${JSON.stringify(report(booted, tests), null, 2)}\n`)
    const failed = failures(booted, tests)
    await booted.powerOff()
    if (failed.length > 0) throw new CliError('failed', `not everything works: ${failed.join('; ')}`)
  },
}

function report({ machine }: BootedMachine, tests: readonly SelfTest[]): unknown {
  return {
    dmesg: machine.kernel.dmesg.lines,
    devices: machine.tree.devices().map(({ nameunit, description, state, location, pnpinfo }) => {
      return { nameunit, description, state, location, pnpinfo }
    }),
    tests,
  }
}

function failures({ machine }: BootedMachine, tests: readonly SelfTest[]): string[] {
  const devices = machine.tree.devices().filter(({ failure }) => failure !== undefined)
  return [
    ...devices.map(({ location, failure }) => `${location}: ${failure?.message}`),
    ...tests.filter(({ passed }) => !passed).map(({ device, text }) => `${device}: ${text}`),
  ]
}
