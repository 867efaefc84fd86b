import type { Attachment, Channel, Driver } from '@bis/hyperv-types'
import { ProbePriority, SendStatus } from '@bis/hyperv-types'
import { RemoteRootMachine } from '../../src/node/index.ts'

const RINGS = { txRingBytes: 16384, rxRingBytes: 16384 }
const DATA = new Uint8Array(100)

export interface Talker {
  readonly machine: RemoteRootMachine
  /**
   * Opens, talks to, shares pages with and closes the devices, again and again, until so many answers have come.
   * @throws ChannelError when the root has gone
   */
  talk(answers: number): Promise<void>
}

/** Boots on the root at a socket, with a driver that lends the test its channels. */
export async function bootTalker(path: string): Promise<Talker> {
  const channels = new Set<Channel>()
  const driver: Driver<Channel> = {
    name: 'talker',
    module: 'test',
    bus: 'vmbus',
    probe: () => ({ priority: ProbePriority.generic, description: 'Talker' }),
    async attach({ ivars: channel }): Promise<Attachment> {
      channels.add(channel)
      return {
        async [Symbol.asyncDispose]() {
          channels.delete(channel)
          await channel.close()
        },
      }
    },
  }
  const modules = [{ name: 'test', drivers: [driver as Driver], dependencies: ['hv_vmbus'] }]
  const machine = await RemoteRootMachine.withSocketRoot(path, { memoryBytes: 16 * 2 ** 20, modules })
  return {
    machine,
    async talk(answers) {
      for (let heard = 0; heard < answers; ) {
        if (channels.size === 0) throw new Error('there are no devices')
        for (const channel of channels) heard += await round(channel, machine.kernel.pages)
      }
    },
  }
}

/** @returns the answers heard */
async function round(channel: Channel, pages: RemoteRootMachine['kernel']['pages']): Promise<number> {
  const count = 20
  let heard = 0
  let done: () => void = () => {}
  const gone = new Promise<never>((_, reject) => {
    channel.gone.addEventListener('abort', () => reject(channel.gone.reason), { once: true })
  })
  gone.catch(() => {})
  const all = new Promise<void>((resolve) => {
    done = resolve
  })
  await channel.open({
    ...RINGS,
    onPacket() {
      heard++
      if (heard === count) done()
    },
  })
  for (let i = 1; i <= count; i++) {
    if (channel.send(6, 1, i, 0, undefined, 0, DATA, 0, DATA.length) !== SendStatus.sent) throw new Error('ring full')
  }
  await Promise.race([all, gone])
  const run = pages.allocate(40)
  try {
    await channel.teardownGpadl(await channel.establishGpadl(run))
  } finally {
    pages.free(run)
  }
  await channel.close()
  return heard
}
