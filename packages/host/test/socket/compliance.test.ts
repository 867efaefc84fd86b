import type { PortsFixture } from '@bis/partition/compliance'
import { synicPortsCases } from '@bis/partition/compliance'
import { describe, it } from 'vitest'
import { SocketWorld, settle, until } from './guests.ts'

describe('SynIC ports over vmbus-user', () => {
  const world = new SocketWorld()

  for (const { name, run } of synicPortsCases) {
    it(name, async () => {
      await world.listen()
      await using pair = await world.connect()
      const fixture: PortsFixture = {
        partition: pair.partition,
        ports: pair.connected.ports,
        remote: true,
        until,
        settle,
        async [Symbol.asyncDispose]() {},
      }
      await run(fixture)
    })
  }
})
