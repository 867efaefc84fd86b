import { GuestMemory } from '@bis/hyperv-types'
import { describe, it } from 'vitest'
import type { PortsFixture } from '../../src/compliance/index.ts'
import { synicPortsCases } from '../../src/compliance/index.ts'
import { Partition } from '../../src/index.ts'
import { settle, until } from './fixtures.ts'

function open(): PortsFixture {
  const memory = GuestMemory.allocate(2 ** 21, { kind: 'plain' })
  const partition = new Partition({ memory, processorCount: 2 })
  return {
    partition,
    ports: partition.ports,
    remote: false,
    until,
    settle,
    async [Symbol.asyncDispose]() {
      partition.powerOff()
    },
  }
}

describe('SynIC ports in the same thread', () => {
  for (const { name, run } of synicPortsCases) {
    it(name, async () => {
      await using fixture = open()
      await run(fixture)
    })
  }
})
