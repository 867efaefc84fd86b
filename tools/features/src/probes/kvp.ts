import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hostRelease, KvpComponent } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import { kvpDriver, PoolServer } from '@bis/kvp'
import { PoolFolder } from '@bis/kvp/node'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { powerOn } from '../guest.ts'

/** hv_kvp_daemon's record, as contrib/hyperv/tools and tools/hv have it. */
const KEY_BYTES = 512
const VALUE_BYTES = 2048
/** Lists what the guest is, not what is in its file. */
const AUTO_POOL = 2
const POOLS = [0, 1, AUTO_POOL, 3, 4]

/** All five pools, both ways, through files in the form of the distributions' daemon. */
export const kvp: Probe = async (cell) => {
  const folder = await mkdtemp(join(tmpdir(), 'bis-kvp-'))
  try {
    const { pools } = new PoolFolder({ folder, create: 'private' })
    const component = new KvpComponent({ release: hostRelease(cell.host), clock: systemClock })
    const daemon = new PoolServer({ pools, autoValues: () => ({ FullyQualifiedDomainName: 'guest.example' }) })
    const modules = [{ name: 'hv_kvp', drivers: [kvpDriver({ daemon })], dependencies: ['hv_vmbus'] }]
    await using _machine = await powerOn(cell, { devices: [component], modules })
    for (const pool of POOLS) {
      await component.set(pool, 'HostKey', `to pool ${pool}`)
      want(
        (await pools[pool]?.get('HostKey')) === `to pool ${pool}`,
        `pool ${pool}: the guest does not have the host's`,
      )
      await pools[pool]?.set('GuestKey', 'from the guest')
      want(
        (await component.get(pool, 'GuestKey')) === 'from the guest',
        `pool ${pool}: the host does not see the guest's`,
      )
      const keys = (await component.list(pool)).map(({ key }) => key).sort()
      want(keys.join() === 'GuestKey,HostKey' || pool === AUTO_POOL, `pool ${pool}: listed ${keys.join()}`)
      want(await component.delete(pool, 'HostKey'), `pool ${pool}: not deleted`)
      want((await component.get(pool, 'HostKey')) === undefined, `pool ${pool}: still there for the host`)
      want((await pools[pool]?.get('HostKey')) === undefined, `pool ${pool}: still there for the guest`)
      // What hv_kvp_daemon keeps: records of a key and a value, each filled up with zeros.
      const file = await readFile(join(folder, `.kvp_pool_${pool}`))
      want(file.length === KEY_BYTES + VALUE_BYTES, `pool ${pool}: a file of ${file.length} bytes`)
      const text = (from: number, to: number): string => file.subarray(from, to).toString().replace(/\0+$/, '')
      const record = [text(0, KEY_BYTES), text(KEY_BYTES, KEY_BYTES + VALUE_BYTES)].join('=')
      want(record === 'GuestKey=from the guest', `pool ${pool}: the file holds ${record}`)
    }
    const auto = await component.list(AUTO_POOL)
    want(
      auto.some(({ value }) => value === 'guest.example'),
      'the auto pool has no name of the guest',
    )
    return {
      did: 'set, read, listed and deleted keys in each pool from the host and from the guest',
      saw: `each side sees the other's; pool files of ${KEY_BYTES + VALUE_BYTES}-byte records, as hv_kvp_daemon's; ${auto.length} values of the guest itself`,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
