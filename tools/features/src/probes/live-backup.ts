import { hostRelease, VssComponent } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import { utilsDrivers } from '@bis/utils'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { allModules, controllerWith, disk, MIB, pattern, powerOn, ramDisk, same } from '../guest.ts'

const PIECE = 4096
const FROZEN_MS = 200

/**
 * While the guest is frozen a writer of it stands still, and the copy that the host makes holds what was flushed; a host
 * that never thaws is not waited for.
 */
export const liveBackup: Probe = async (cell) => {
  const backend = ramDisk()
  const vss = new VssComponent({ release: hostRelease(cell.host), clock: systemClock })
  let frozen = false
  let flushed = 0
  let writing: Promise<void> = Promise.resolve()
  const freeze = async (): Promise<void> => {
    frozen = true
    await writing
    await disk(machine).flush()
  }
  const thaw = (): void => {
    frozen = false
  }
  const hook = { name: 'writer', freeze, thaw }
  const drivers = utilsDrivers({ vssHooks: [hook], vssLimits: { frozenMs: FROZEN_MS } })
  const modules = allModules().map((module) => (module.name === 'hv_utils' ? { ...module, drivers } : module))
  await using machine = await powerOn(cell, { devices: [controllerWith(cell, backend), vss], modules })
  const target = disk(machine)
  let run = true
  const writer = (async () => {
    while (run) {
      if (!frozen) {
        writing = target.write((flushed % 256) * PIECE, pattern(PIECE, flushed))
        await writing
        flushed++
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })()
  await until(() => flushed > 10, 'the writer')
  const [copy, count, later] = await vss.whileFrozen(async () => {
    const before = flushed
    const bytes = new Uint8Array(MIB)
    await backend.read(0, bytes)
    await new Promise((resolve) => setTimeout(resolve, 20))
    return [bytes, before, flushed] as const
  })
  want(later === count, `${later - count} writes while frozen`)
  for (let i = 0; i < Math.min(count, 256); i++)
    want(same(copy.subarray(i * PIECE, (i + 1) * PIECE), pattern(PIECE, i)), `the copy lacks flushed write ${i}`)
  await until(() => flushed > count + 5, 'the writer after the thaw')
  await vss.freeze()
  want(frozen, 'the second freeze did nothing')
  await until(() => !frozen, 'a thaw by itself')
  run = false
  await writer
  return {
    did: 'froze the guest under writes, copied its disk, thawed; froze it again and never thawed',
    saw: `no write while frozen, the copy has all ${count > 10 ? 'flushed writes' : 'writes'}; the second time the guest thawed by itself`,
  }
}
