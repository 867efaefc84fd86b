import { bundle } from '@bis/build/bundle'
import { HOST_RELEASES } from '@bis/host'
import { beforeAll, describe, it } from 'vitest'
import type { ChannelFixture } from '../../src/compliance/index.ts'
import { channelCases } from '../../src/compliance/index.ts'
import { inline, sharedMemory, socket, workerThread } from './fixtures.ts'

let threadScript = ''

beforeAll(async () => {
  threadScript = await bundle(new URL('peer-thread.ts', import.meta.url))
}, 60_000)

function suite(title: string, make: () => Promise<ChannelFixture>): void {
  describe(title, () => {
    for (const { name, needs, run } of channelCases) {
      it(name, async (context) => {
        await using fixture = await make()
        const { peer } = fixture
        if (needs !== undefined && peer[needs] === undefined) context.skip()
        await run(fixture)
      })
    }
  })
}

for (const kind of ['plain', 'shared', 'wasm'] as const) {
  suite(`a channel, root inline, memory of kind ${kind}`, () => inline(kind, '2025'))
}
for (const release of HOST_RELEASES.filter((name) => name !== '2025')) {
  suite(`a channel on ${release}`, () => inline('shared', release))
}
for (const kind of ['shared', 'wasm'] as const) {
  suite(`a channel, root behind shared memory of kind ${kind}`, () => sharedMemory(kind, '2025'))
}
suite('a channel, root in a worker thread', () => workerThread(threadScript, 'wasm', '2025'))
for (const release of ['2025', '2008r2'] as const) {
  suite(`a channel, root behind a socket, on ${release}`, () => socket(release))
}
