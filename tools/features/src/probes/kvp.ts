import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hostRelease, KvpComponent } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import { KVP_RECORD_BYTES, kvpDriver, PoolServer } from '@bis/kvp'
import { PoolFolder } from '@bis/kvp/node'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { powerOn } from '../guest.ts'

const AUTO_POOL = 2
/** External, guest, auto-external and auto-internal besides. */
const POOLS = [0, 1, 3, 4]

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
      want(keys.join() === 'GuestKey,HostKey', `pool ${pool}: listed ${keys.join()}`)
      want(await component.delete(pool, 'HostKey'), `pool ${pool}: not deleted`)
      want((await component.get(pool, 'HostKey')) === undefined, `pool ${pool}: still there`)
      // What hv_kvp_daemon keeps: records of a key and a value, each filled up with zeros.
      const file = await readFile(join(folder, `.kvp_pool_${pool}`))
      want(file.length === KVP_RECORD_BYTES, `pool ${pool}: a file of ${file.length} bytes`)
      want(file.subarray(0, 9).toString() === 'GuestKey\0', `pool ${pool}: the file begins otherwise`)
    }
    const auto = await component.list(AUTO_POOL)
    want(
      auto.some(({ value }) => value === 'guest.example'),
      'the auto pool has no name of the guest',
    )
    return {
      did: 'set, read, listed and deleted keys in each pool from the host and from the guest',
      saw: `each side sees the other's; pool files of ${KVP_RECORD_BYTES}-byte records; ${auto.length} values of the guest itself`,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
