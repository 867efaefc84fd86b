import type { Machine } from '@bis/machine'
import type { Probe, ProbeCell } from '../feature.ts'
import { until, want } from '../feature.ts'
import { controllerWith, disk, exercise, powerOn, ramDisk } from '../guest.ts'

const PROCESSORS = 2
/** How long nothing has to happen. */
const QUIET_MS = 20

/**
 * An injected NMI runs the guest's handler once, however many processors get it; the handler reports by the crash
 * registers, unless the guest's administrator has set `machdep.panic_on_nmi` to 0.
 */
export const nmi: Probe = async (cell) => {
  await using machine = await boot(cell)
  want(machine.server.lastCrash === undefined && said(machine).length === 0, 'there was an NMI before there was one')
  machine.partition.injectNmi()
  await until(() => said(machine).length > 0, "the guest's handler")
  await until(() => machine.server.lastCrash !== undefined, 'the report to the host')
  const { message = '', control = 0n } = machine.server.lastCrash ?? {}
  const [line = ''] = said(machine)
  const cpu = /^vmbus0: (NMI on cpu \d)$/.exec(line)?.[1]
  want(cpu !== undefined && message === `panic: ${cpu}`, `the guest says ${line}, the host was told ${message}`)
  want(control >> 63n === 1n, `the crash control register was written 0x${control.toString(16)}`)
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
  want(said(machine).length === 1, `the handler ran ${said(machine).length} times`)
  const calm = await withoutPanic(cell)
  return {
    did: 'injected an NMI; again with machdep.panic_on_nmi=0',
    saw: `guest: ${line}; host was told: ${message}; ${calm}`,
  }
}

async function withoutPanic(cell: ProbeCell): Promise<string> {
  await using machine = await boot(cell, { 'machdep.panic_on_nmi': '0' })
  machine.partition.injectNmi()
  await until(() => said(machine).length > 0, 'the handler of a guest that does not panic')
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
  const { lastCrash } = machine.server
  want(lastCrash === undefined, `with machdep.panic_on_nmi=0 the host was told: ${lastCrash?.message}`)
  await exercise(disk(machine), 0, 65_536)
  return `the second time ${said(machine)[0]}, no report, and its disk works on`
}

function boot(cell: ProbeCell, tunables: Readonly<Record<string, string>> = {}): Promise<Machine> {
  return powerOn(cell, { processorCount: PROCESSORS, devices: [controllerWith(cell, ramDisk())], tunables })
}

const said = (machine: Machine): string[] =>
  machine.kernel.dmesg.lines.map(({ text }) => text).filter((text) => /NMI/.test(text))
