import type { BootOptions } from '../boot-options.ts'
import { BOOT_OPTIONS, parseBootOptions } from '../boot-options.ts'
import { BootedMachine } from '../booted-machine.ts'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'
import { aborted } from '../interrupt.ts'
import { NIC_DETAILS, NIC_USAGE } from '../network/nic-option.ts'
import type { SelfTest } from '../self-test.ts'
import { testDisk, testNetwork } from '../self-test.ts'
import { ControlServer } from '../vm/control-server.ts'
import { VirtualMachine } from '../vm/virtual-machine.ts'

export const boot: Command = {
  name: 'boot',
  summary: 'power on a machine, print dmesg, test every device found, power off',
  usage: `[--disk FILE[,bus=scsi|ide][,ro][,dvd]]… [--nic ${NIC_USAGE}]… [--host RELEASE] [--gen 1|2] [--cpus N] [--memory SIZE] [--stay [--name NAME]]`,
  details: NIC_DETAILS,
  options: {
    ...BOOT_OPTIONS,
    stay: { type: 'boolean', help: 'stay on until Ctrl-C or until the guest is shut down' },
    name: { type: 'string', value: 'NAME', help: 'what bis vm calls the machine that stays; default: vm-PID' },
    json: { type: 'boolean', help: 'print JSON: dmesg, devices, tests' },
  },
  async run(args, signal) {
    let options = parseBootOptions(args)
    const json = args.flag('json')
    const print = json ? (): void => {} : (line: string): void => void process.stdout.write(`${line}\n`)
    const stay = args.flag('stay')
    const machine = steered(args.text('name'), stay, options)
    await using _control = machine === undefined ? undefined : await ControlServer.open(machine)
    for (;;) {
      await using booted = await BootedMachine.boot({ ...options, steered: machine?.name }, print)
      const tests = await testDevices(booted, print)
      let again = false
      if (stay) {
        if (machine !== undefined) booted.steeredAs(machine)
        const how = await Promise.race([booted.ended(), aborted(signal)])
        again = how !== undefined && (how.request === 'reboot' || booted.startAgain)
        if (how !== undefined) print(`the machine is off: ${how.reason}`)
      } else signal.throwIfAborted()
      if (json && !again) process.stdout.write(`${JSON.stringify(report(booted, tests), null, 2)}\n`)
      const failed = failures(booted, tests)
      // A machine that starts again has the NICs that it had at last.
      options = { ...options, nics: booted.nics ?? options.nics }
      await booted.powerOff()
      if (failed.length > 0) throw new CliError('failed', `not everything works: ${failed.join('; ')}`)
      if (!again) return
    }
  },
}

/** What `bis vm` steers; with a root in another process that is the root's business. @throws CliError `usage` */
function steered(
  name: string | undefined,
  stay: boolean,
  { root, release, disks }: BootOptions,
): VirtualMachine | undefined {
  if (stay && root.kind !== 'socket') return new VirtualMachine(name ?? `vm-${process.pid}`, release, disks)
  if (name !== undefined)
    throw new CliError('usage', '--name is for a machine that stays; with --root socket:PATH give it to the bis host')
  return undefined
}

async function testDevices(booted: BootedMachine, print: (line: string) => void): Promise<SelfTest[]> {
  const tests: SelfTest[] = []
  for (const item of [...booted.disks, ...booted.machine.kernel.interfaces.list()]) {
    const test = 'read' in item ? await testDisk(item) : testNetwork(item)
    tests.push(test)
    print(`${test.device}: ${test.passed ? 'ok' : 'FAILED'}: ${test.text}`)
  }
  return tests
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
