import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import { IcStatus, KVP_AUTO_KEYS } from '@bis/hyperv-types/ic'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PoolFolder } from '../../src/node/index.ts'
import type { DaemonName } from '../support/daemons.ts'
import { Daemons } from '../support/daemons.ts'
import { temporaryFolder } from '../support/folder.ts'
import type { Pair } from '../support/guest.ts'
import { bootOn } from '../support/guest.ts'
import { havePrograms } from '../support/programs.ts'

const both: readonly DaemonName[] = ['hv_kvp_daemon', 'ours']
const numbers = [0, 1, 2, 3, 4] as const

let folder: AsyncDisposable & { readonly path: string }
let guest: Pair<Clock>
let daemons: Daemons
let library: PoolFolder

async function prepare(): Promise<void> {
  folder = await temporaryFolder()
  guest = await bootOn(systemClock, { tunables: { 'hw.hvkvp.timeout_ms': '8000' } })
  await guest.tree.settled()
  const device = guest.kernel.characterDevices.get('vmbus/hv_kvp')
  if (device === undefined) throw new Error('the driver has no device')
  daemons = await Daemons.on(device, folder.path)
  library = new PoolFolder({ folder: daemons.pools })
}

/** hv_kvp_daemon asks the resolver for its name before it registers, which may take a while. */
async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 4000) throw new Error(`still not so: ${condition}`)
    await delay(10)
  }
}

async function start(name: DaemonName): Promise<void> {
  daemons.start(name)
  await until(() => guest.kernel.sysctl.get('dev.hvkvp.0.daemon') === 'idle' && guest.host.state === 'ready')
}

/** What the pool's file holds, read without any code of the library. */
function fileContents(number: number): { key: string; value: string }[] {
  const bytes = readFileSync(`${daemons.pools}/.kvp_pool_${number}`)
  const text = (from: number, to: number): string => bytes.toString('utf8', from, to).split('\0', 1)[0] ?? ''
  return Array.from({ length: bytes.length / 2560 }, (_, i) => {
    return { key: text(i * 2560, i * 2560 + 512), value: text(i * 2560 + 512, (i + 1) * 2560) }
  })
}

/** Works on every pool from the host's side, and leaves three keys in each. */
async function exercise(round: number): Promise<void> {
  const { host } = guest
  for (const pool of numbers) {
    await host.set(pool, 'shared', `round ${round}`)
    await host.set(pool, `own ${round}`, 'Grüße, 世界 😀')
    await host.set(pool, 'number', 4_000_000_000 + round)
    await host.set(pool, 'gone', 'x'.repeat(1000))
    expect(await host.get(pool, 'shared')).toBe(`round ${round}`)
    expect(await host.get(pool, 'number')).toBe(`${4_000_000_000 + round}`)
    expect([await host.delete(pool, 'gone'), await host.delete(pool, 'gone')]).toEqual([true, false])
    expect(await host.delete(pool, 'never there')).toBe(false)
    const held = fileContents(pool)
    expect(held.map(({ key }) => key)).toEqual(expect.arrayContaining(['shared', `own ${round}`, 'number']))
    expect(held.find(({ key }) => key === `own ${round}`)?.value).toBe('Grüße, 世界 😀')
    for (const { key, value } of held) expect(await host.get(pool, key)).toBe(value)
    if (pool !== 2) expect(await host.list(pool)).toEqual(held)
    expect((await library.pool(pool).list()).map(({ key, value }) => ({ key, value }))).toEqual(held)
  }
}

describe.skipIf(process.platform !== 'linux' || !havePrograms('hv_kvp_daemon', 'gcc'))('on our driver', () => {
  beforeEach(prepare)
  afterEach(async () => {
    await daemons[Symbol.asyncDispose]()
    await guest.tree.unload('hv_utils')
    await folder[Symbol.asyncDispose]()
  })

  for (const name of both) {
    it(`${name} registers, and the host finds in every pool what its files hold`, async () => {
      await start(name)
      await exercise(1)
      await exercise(2)
    })

    it(`${name} tells of the system under the same keys`, async () => {
      await start(name)
      const items = await guest.host.list(2)
      expect(items.map(({ key }) => key)).toEqual(KVP_AUTO_KEYS)
      const values = new Map(items.map(({ key, value }) => [key, value]))
      expect(values.get('IntegrationServicesVersion')).toBe('3.1')
      expect(values.get('ProcessorArchitecture')).toBe('x86_64')
      expect(values.get('OSName')).toBe(/^NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1])
    })

    it(`${name} and the library read and write the same files`, async () => {
      await start(name)
      await guest.host.set(1, 'from the host', '1')
      const pool = library.pool(1)
      expect(await pool.get('from the host')).toBe('1')
      await pool.set('from the library', '2')
      await pool.set('from the host', 'changed by the library')
      expect(await guest.host.list(1)).toEqual([
        { key: 'from the host', value: 'changed by the library' },
        { key: 'from the library', value: '2' },
      ])
      await guest.host.set(1, 'from the library', 'changed by the host')
      expect(await pool.delete('from the host')).toBe(true)
      expect(await guest.host.list(1)).toEqual([{ key: 'from the library', value: 'changed by the host' }])
    })

    it(`${name} knows no adapter that is not there`, async () => {
      await start(name)
      const setting = {
        adapterId: '{11111111-2222-3333-4444-555555555555}',
        addressFamily: 1,
        dhcp: false,
        addresses: ['192.0.2.1'],
        subnets: ['255.255.255.0'],
        gateways: [],
        dnsServers: [],
      }
      await expect(guest.host.setIp(setting)).rejects.toMatchObject({ status: IcStatus.GUID_NOT_FOUND })
    })

    it(`[KV-02] ${name} is stopped for longer than its time, and serves again`, async () => {
      await start(name)
      guest.kernel.sysctl.set('dev.hvkvp.0.timeout_ms', 200)
      daemons.signal('SIGSTOP')
      await expect(guest.host.get(0, 'a')).rejects.toMatchObject({ status: IcStatus.E_FAIL })
      daemons.signal('SIGCONT')
      guest.kernel.sysctl.set('dev.hvkvp.0.timeout_ms', 8000)
      await guest.host.set(0, 'a', 'after')
      expect(await guest.host.get(0, 'a')).toBe('after')
    })
  }

  const orders: DaemonName[][] = [
    ['hv_kvp_daemon', 'ours', 'hv_kvp_daemon'],
    ['ours', 'hv_kvp_daemon', 'ours'],
    ['ours', 'ours', 'hv_kvp_daemon', 'hv_kvp_daemon'],
  ]
  for (const order of orders) {
    it(`one folder serves ${order.join(', then ')}`, async () => {
      for (const [index, name] of order.entries()) {
        const before = index === 0 ? [] : numbers.map((pool) => fileContents(pool))
        await start(name)
        for (const [pool, held] of before.entries()) {
          if (pool !== 2) expect(await guest.host.list(pool)).toEqual(held)
        }
        await exercise(index)
        await daemons.stop(index % 2 === 0 ? 'SIGTERM' : 'SIGKILL')
        await until(() => guest.kernel.sysctl.get('dev.hvkvp.0.daemon') === 'none')
      }
    })
  }

  it('both daemons write the same bytes, but for what theirs leaves behind a NUL when records move up', async () => {
    const written: Buffer[] = []
    const after: { key: string; value: string }[][] = []
    for (const name of both) {
      await start(name)
      for (let i = 0; i < 60; i++) await guest.host.set(0, `key ${i}`, `${i}`)
      await guest.host.set(0, 'key 5', 'longer than before')
      await guest.host.set(0, 'key 6', 'é')
      written.push(readFileSync(`${daemons.pools}/.kvp_pool_0`))
      for (const i of [0, 30, 59]) await guest.host.delete(0, `key ${i}`)
      after.push(fileContents(0))
      await daemons.stop()
      await library.pool(0).clear()
      await until(() => guest.kernel.sysctl.get('dev.hvkvp.0.daemon') === 'none')
    }
    const [theirs, ours] = written
    expect([theirs?.length, theirs?.equals(ours ?? Buffer.alloc(0))]).toEqual([60 * 2560, true])
    expect(after[1]).toEqual(after[0])
  })

  const adapter = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ internal, mac }) => !internal && mac !== '00:00:00:00:00:00')
  it.skipIf(adapter === undefined)('both daemons tell the same of an adapter (skipped without one)', async () => {
    const answers = []
    for (const name of both) {
      await start(name)
      answers.push(await guest.host.getIp(adapter?.mac ?? ''))
      await daemons.stop()
      await until(() => guest.kernel.sysctl.get('dev.hvkvp.0.daemon') === 'none')
    }
    const sorted = answers.map((answer) => ({ ...answer, addresses: answer.addresses.toSorted() }))
    expect(sorted[1]).toEqual({ ...sorted[0], gateways: sorted[1]?.gateways })
    expect(sorted[0]?.addresses).toContain(adapter?.address)
  })
})
