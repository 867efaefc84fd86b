import { GuestMemory } from '@bis/hyperv-types'
import { describe, it } from 'vitest'
import type { PortsFixture } from '../../src/compliance/index.ts'
import { synicPortsCases } from '../../src/compliance/index.ts'
import { Partition } from '../../src/index.ts'
import { attachPorts, offerPorts } from '../../src/worker/index.ts'
import { settle, until } from './fixtures.ts'

/** Both ends of the rings in one thread, where a case can reach them; across threads they are tried in worker-thread. */
function open(kind: 'wasm' | 'shared'): PortsFixture {
  const memory = GuestMemory.allocate(2 ** 21, { kind })
  const partition = new Partition({ memory, processorCount: 2 })
  const offered = offerPorts(partition)
  const attached = attachPorts(structuredClone(offered.data))
  return {
    partition,
    ports: attached.ports,
    remote: true,
    until,
    settle,
    async [Symbol.asyncDispose]() {
      attached.close('end of the test')
      await offered.ended
      partition.powerOff()
    },
  }
}

for (const kind of ['wasm', 'shared'] as const) {
  describe(`SynIC ports over rings in shared memory, guest memory of kind ${kind}`, () => {
    for (const { name, run } of synicPortsCases) {
      it(name, async () => {
        await using fixture = open(kind)
        await run(fixture)
      })
    }
  })
}
