import * as asyncHooks from 'node:async_hooks'
import * as fs from 'node:fs'
import { FileCopyComponent, HeartbeatComponent, VssComponent } from '@bis/host'
import type { CharacterFile, VspDevice } from '@bis/hyperv-types'
import { ManualClock } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { fileCopyDriver, heartbeatDriver, utilsDrivers, vssDriver } from '../src/index.ts'
import { allReady, bootGuest, hostOptions } from './support/guest.ts'
import { push } from './support/ic-message.ts'

/** A daemon's first message at each device. */
const DEVICES: readonly [path: string, registration: Uint8Array][] = [
  ['vmbus/hv_vss', Uint8Array.from([129, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
  ['vmbus/hv_fcopy', Uint8Array.of(1, 0, 0, 0)],
]

async function pair() {
  const clock = new ManualClock()
  const vss = new VssComponent(hostOptions(clock))
  const fileCopy = new FileCopyComponent(hostOptions(clock))
  const drivers = [vssDriver(), fileCopyDriver()]
  const guest = await bootGuest(drivers, [vss, fileCopy], clock)
  await allReady(clock, vss, fileCopy)
  const ask = (path: string): Promise<unknown> => {
    const source = { size: 1, read: async () => {} }
    const asked = path === 'vmbus/hv_vss' ? vss.canBackUp() : fileCopy.copy({ name: 'x', folder: '/', source })
    asked.catch(() => {})
    return asked
  }
  const open = (path: string): CharacterFile => {
    const file = guest.kernel.characterDevices.get(path)?.open()
    if (file === undefined) throw new Error(`no /dev/${path}`)
    return file
  }
  return { clock, guest, drivers, vss, fileCopy, ask, open }
}

describe('a device that goes away while its daemon has it', () => {
  const states = ['opened', 'idle', 'asked', 'in hand', 'owing'] as const
  it.each(DEVICES.flatMap(([path, registration]) => states.map((state) => ({ path, registration, state }))))(
    '[CL-12] /dev/$path, $state: reading ends, and it serves again when it is back',
    async ({ path, registration, state }) => {
      const { clock, guest, drivers, vss, fileCopy, ask, open } = await pair()
      const file = open(path)
      let asked: Promise<unknown> | undefined
      if (state !== 'opened') {
        file.write(registration)
        expect((await file.read()).length).toBe(4)
      }
      if (state === 'asked' || state === 'in hand' || state === 'owing') {
        asked = ask(path)
        await clock.run()
        expect(file.readable).toBe(true)
      }
      if (state === 'in hand' || state === 'owing') await file.read()
      if (state === 'owing') await clock.advance(30_001)
      const blocked = state === 'asked' ? undefined : file.read()
      blocked?.catch(() => {})
      let hungUp = false
      file.onReadable(() => {
        hungUp = true
      })

      await clock.settle(guest.tree.unload('hv_utils'))
      if (blocked !== undefined) await expect(blocked).rejects.toMatchObject({ code: 'removed' })
      expect([file.readable, hungUp]).toEqual([true, true])
      await expect(file.read()).rejects.toMatchObject({ code: 'removed' })
      expect(() => file.write(registration)).toThrow(expect.objectContaining({ code: 'removed' }))
      if (state !== 'owing') await asked?.catch((error) => expect(error).toMatchObject({ code: 'gone' }))
      file.close()
      file.close()
      expect(guest.kernel.characterDevices.list()).toEqual([])

      await clock.settle(guest.tree.load({ name: 'hv_utils', drivers: drivers as never }))
      await allReady(clock, vss, fileCopy)
      const again = open(path)
      again.write(registration)
      expect((await again.read()).length).toBe(4)
      const served = ask(path)
      await clock.run()
      await again.read()
      again.write(path === 'vmbus/hv_vss' ? new Uint8Array(12) : Uint8Array.of(5, 0x40, 0, 0x80))
      await clock.settle(served.catch((error) => expect(error).toMatchObject({ status: 0x8000_4005 })))
    },
  )
})

describe('a component that cannot start', () => {
  const refusing = (device: VspDevice): VspDevice => ({ offer: device.offer, openChannel: () => undefined })

  it('[IC-10] says why, and leaves nothing behind', async () => {
    const clock = new ManualClock()
    const devices = [HeartbeatComponent, VssComponent, FileCopyComponent].map((Kind) =>
      refusing(new Kind(hostOptions(clock))),
    )
    const guest = await bootGuest(utilsDrivers(), devices, clock)
    const failed = guest.tree.devices().filter(({ state }) => state === 'failed')
    expect(failed).toHaveLength(3)
    for (const { failure } of failed) expect(failure).toMatchObject({ name: 'ChannelError', code: 'refused' })
    expect(guest.kernel.characterDevices.list()).toEqual([])
    expect(guest.connections.map(({ pages }) => pages.allocatedPages)).toEqual([0, 0, 0])
  })

  it('[IC-10] says when its device file is taken', async () => {
    const clock = new ManualClock()
    const guest = await bootGuest([heartbeatDriver()], [new VssComponent(hostOptions(clock))], clock)
    guest.kernel.characterDevices.add({
      path: 'vmbus/hv_vss',
      open() {
        throw new Error('not this one')
      },
    })
    await clock.settle(guest.tree.load({ name: 'vss', drivers: [vssDriver()] as never }))
    const [device] = guest.tree.devices().filter(({ state }) => state === 'failed')
    expect(device?.failure).toMatchObject({ name: 'DeviceError', code: 'busy' })
  })
})

describe('between freeze and thaw', () => {
  it('[VS-01] the driver touches no file system, whatever it has to say', async () => {
    const clock = new ManualClock()
    const vss = new VssComponent(hostOptions(clock))
    const calls: string[] = []
    const recorder = asyncHooks.createHook({
      init: (_, type) => {
        if (type.startsWith('FS') || type === 'FILEHANDLE') calls.push(type)
      },
    })
    const guest = await bootGuest(
      [
        vssDriver({
          vssLimits: { frozenMs: 60_000 },
          vssHooks: [
            { name: 'file systems', freeze: () => void recorder.enable(), thaw: () => void recorder.disable() },
            {
              name: 'loud',
              freeze() {},
              thaw() {
                throw new Error('cannot thaw')
              },
            },
          ],
        }),
      ],
      [vss],
      clock,
    )
    await allReady(clock, vss)
    const lines = guest.dmesg().length
    await clock.settle(vss.freeze())
    // Nonsense that makes it log, then the watchdog, which logs too.
    push(guest.connections[0]?.channel.hostChannel, new Uint8Array(64))
    await clock.advance(60_001)
    expect(guest.dmesg().length).toBeGreaterThan(lines)
    expect(guest.sysctl('dev.hvvss.0.freezer')).toBe('thawed')
    expect(calls).toEqual([])
    // The recorder does record.
    recorder.enable()
    await fs.promises.stat('.')
    recorder.disable()
    expect(calls).not.toEqual([])
  })
})
