import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostReleaseName } from '@bis/host'
import { diskUnit, hostRelease, IntegrationServices } from '@bis/host'
import type { ReleaseName } from '@bis/hyperv-is'
import { RELEASE_PROFILES, RELEASES } from '@bis/hyperv-is'
import type { BlockDevice, EthernetInterface } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import { PoolFolder } from '@bis/kvp/node'
import { fileCopyFolder } from '@bis/utils/node'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { until } from '../src/feature.ts'
import {
  allModules,
  collect,
  controllerWith,
  disk,
  exercise,
  frameOf,
  Lan,
  macOf,
  network,
  powerOn,
  ramDisk,
} from '../src/guest.ts'

/** Each column on another host. */
const HOSTS: Readonly<Record<ReleaseName, HostReleaseName>> = {
  '8.4': '2008r2',
  '9.1': '2012',
  '9.2': '2012r2',
  '9.3': '2016',
  '10.0': '2019',
  '10.1': '2022',
  head: '2025',
}
const LOAD_MS = Number(process.env['BIS_LOAD_MS'] ?? 1000)

/** Runs `step` again and again until the load is over; its own pace keeps memory bounded. */
async function loop(running: () => boolean, step: (round: number) => Promise<void>): Promise<number> {
  let round = 0
  for (; running(); round++) await step(round)
  return round
}

/** What keeps the process busy or listens, and the files that it has open. */
async function held(): Promise<Record<string, number>> {
  const all: Record<string, number> = { listeners: 0 }
  for (const name of process.getActiveResourcesInfo()) all[name] = (all[name] ?? 0) + 1
  for (const event of process.eventNames()) all['listeners'] = (all['listeners'] ?? 0) + process.listenerCount(event)
  if (process.platform === 'linux') all['descriptors'] = (await readdir('/proc/self/fd')).length
  return all
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-whole-'))
  await mkdir(join(folder, 'files'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe.each(RELEASES)('a whole %s guest', (release) => {
  it('works under mixed load, suspends, loses a NIC, shuts down when the host says so, and leaves nothing', async () => {
    const cell = { profile: RELEASE_PROFILES[release], host: HOSTS[release] }
    const before = await held()
    const pools = new PoolFolder({ folder: join(folder, 'pools'), create: 'private', lock: 'none' })
    await pools.create()
    const modules = allModules({}, { pools: pools.pools, fileCopy: fileCopyFolder({ root: join(folder, 'files') }) })
    await using lan = new Lan(cell)
    const peer = await lan.guest()
    const media = [ramDisk(), ramDisk()] as const
    const controller = controllerWith(cell, media[0])
    const settings = { release: hostRelease(cell.host) }
    controller.target.attach({ path: 0, target: 0, lun: 1 }, diskUnit(media[1], settings))
    const services = new IntegrationServices({ ...settings, clock: systemClock })
    const adapters = [lan.adapter(), lan.adapter()]
    const machine = await powerOn(cell, {
      modules,
      devices: [controller, ...services.components],
      processorCount: 2,
    })
    const [, second] = adapters.map((adapter) => machine.plug(adapter))
    await until(() => machine.kernel.interfaces.list().length === 2, 'both NICs')
    const { kernel, tree } = machine

    const load = async (milliseconds: number): Promise<void> => {
      const end = performance.now() + milliseconds
      const running = (): boolean => performance.now() < end
      const io = (target: BlockDevice, unit: number) =>
        loop(running, (round) => exercise(target, (round % 64) * 65_536, 65_536, round, media[unit]))
      const got = collect(peer.net)
      let sent = 0
      const traffic = (net: EthernetInterface) =>
        loop(running, async (round) => {
          const frame = frameOf(macOf(1), net.settings.address, 60 + (round % 1400))
          for (let i = 0; i < 20; i++) if (net.transmit(frame, 0, frame.length) === 0) sent++
          await turn()
        })
      const keys = loop(running, async (round) => {
        await services.kvp.set(0, 'Round', String(round))
        expect(await services.kvp.get(0, 'Round')).toBe(String(round))
      })
      const copies = loop(running, async (round) => {
        if (services.fileCopy.state !== 'ready') return turn()
        const bytes = Uint8Array.from({ length: 20_000 + round }, (_, i) => i & 0xff)
        const read = async (offset: number, target: Uint8Array): Promise<void> =>
          target.set(bytes.subarray(offset, offset + target.length))
        await services.fileCopy.copy({
          name: 'file',
          folder: '/',
          overwrite: true,
          source: { size: bytes.length, read },
        })
        expect((await readFile(join(folder, 'files/file'))).length).toBe(bytes.length)
      })
      const work = [...kernel.disks.list().map(io), ...kernel.interfaces.list().map(traffic), keys, copies]
      const rounds = await Promise.all(work)
      expect(Math.min(...rounds)).toBeGreaterThan(0)
      await until(() => got.length === sent, `all ${sent} frames`)
    }

    // What 2008 R2 speaks of snapshots the guest does not.
    const old = cell.host === '2008r2'
    const states = services.components.map(({ kind, state }) => `${kind.name} ${state}`)
    const expected = services.components.map(
      ({ kind }) => `${kind.name} ${old && kind.name === 'vss' ? 'refused' : 'ready'}`,
    )
    expect(states).toEqual(expected)
    expect(kernel.sysctl.get('dev.hvkvp.0.daemon')).toBe('idle')
    await load(LOAD_MS)
    expect(kernel.disks.list().map(({ name }) => name)).toEqual(['da0', 'da1'])
    await tree.suspend()
    await tree.resume()
    await load(LOAD_MS / 2)
    await second?.revoke()
    adapters[1]?.remove()
    await until(() => kernel.interfaces.list().length === 1, 'the end of hn1')
    await load(LOAD_MS / 2)
    expect(services.heartbeat.status).toMatch(/^ok/)
    await exercise(disk(machine, 'da1'), 0, 4096)
    expect(network(machine).settings.up).toBe(true)

    await services.shutdown.order({ action: 'shutdown' })
    expect(await machine.off).toMatchObject({ request: 'power-off' })
    expect(kernel.disks.list()).toEqual([])
    expect(kernel.interfaces.list()).toEqual([])
    const { allocatedPages, heldPages, leakedPages } = kernel.pages
    expect({ allocatedPages, heldPages, leakedPages }).toEqual({ allocatedPages: 0, heldPages: 0, leakedPages: 0 })
    expect(machine.partition.overlayPages).toBe(0)
    expect(tree.devices()).toEqual([])
    adapters[0]?.remove()
    expect(lan.switch.ports).toHaveLength(1)
    await peer.machine.powerOff()
    const files = await readdir(folder, { recursive: true })
    const kept = ['files', ...(services.fileCopy.lastAnswer === undefined ? [] : ['files/file']), 'pools']
    expect(files.sort()).toEqual([...kept, ...pools.pools.map((_, number) => `pools/.kvp_pool_${number}`)])
    await vi.waitFor(async () => expect(await held()).toEqual(before), { timeout: 10_000 })
  }, 60_000)
})
