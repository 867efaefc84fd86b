import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { powerOn } from '../guest.ts'

/** An injected NMI runs the guest's handler, which reports to the host by the crash registers. */
export const nmi: Probe = async (cell) => {
  await using machine = await powerOn(cell, { processorCount: 2 })
  machine.partition.injectNmi()
  const lines = (): readonly string[] => machine.kernel.dmesg.lines.map(({ text }) => text)
  await until(() => lines().some((text) => /NMI/i.test(text)), "the guest's handler")
  const said = lines().find((text) => /NMI/i.test(text)) ?? ''
  if (machine.partition.profile.features.misc === 0) return { did: 'injected an NMI', saw: said }
  await until(() => machine.server.lastCrash !== undefined, 'the report to the host')
  const message = machine.server.lastCrash?.message ?? ''
  want(message !== '', 'the report has no message')
  return { did: 'injected an NMI', saw: `guest: ${said}; host was told: ${message.split('\n', 1)[0]}` }
}
