import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { controllerWith, powerOn, ramDisk, scsiDisk } from '../guest.ts'

/** Reads from four processors go by four channels, each answered where it was asked. */
export const storageSubchannel: Probe = async (cell) => {
  const controller = controllerWith(cell, ramDisk())
  await using machine = await powerOn(cell, { devices: [controller], processorCount: 4 })
  const target = scsiDisk(machine)
  const channels = () => {
    const { instanceId } = controller.offer
    return machine.server.channels().filter((other) => other.instanceId === instanceId && other.device === 'open')
  }
  want(channels().length === 4, `${channels().length} channels`)
  const requests = (): number[] => [...controller.statistics.values()].map((worker) => worker.requests)
  const sent = (): number[] => channels().map(({ statistics }) => statistics?.packetsSent ?? 0)
  const [asked, answered] = [requests(), sent()]
  const reads = Array.from({ length: 64 }, (_, i) =>
    target.execute([0x28, 0, 0, 0, 0, i, 0, 0, 8, 0], { dataIn: new Uint8Array(4096), cpu: i % 4 }),
  )
  let done = 0
  for (const read of reads) void read.then(() => done++).catch(() => {})
  await until(
    () => done === reads.length,
    () => `answers: ${done} of ${reads.length} came to the channel of their request`,
  )
  const served = requests().map((count, i) => count - (asked[i] ?? 0))
  want(
    served.every((count) => count === 16),
    `requests on the channels: ${served.join()}`,
  )
  want(
    sent().every((count, i) => count - (answered[i] ?? 0) === 16),
    'an answer went by another channel than its request',
  )
  want(machine.kernel.sysctl.get('dev.storvsc.0.protocol_errors') === 0, 'the guest got an answer it did not ask for')
  return {
    did: '64 reads, spread over four processors',
    saw: `the host served ${served.join(', ')} requests on four channels, and answered each where it came`,
  }
}
