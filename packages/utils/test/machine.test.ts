import { HOST_RELEASES, hostRelease, IntegrationServices } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import { Machine } from '@bis/machine'
import { describe, expect, it } from 'vitest'
import { flushDisks, utilsDrivers } from '../src/index.ts'

/** Message versions that the newest guest and the host of each release agree on. */
const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  '2008r2': ['3.0', '3.0', '3.0'],
  '2012': ['3.0', '3.0', '3.0', '4.0'],
  '2012r2': ['3.0', '3.0', '3.0', '5.0', '1.1'],
  '2016': ['3.0', '3.1', '4.0', '6.0', '1.1'],
  '2019': ['3.0', '3.2', '4.0', '7.0', '1.1'],
  '2022': ['3.0', '3.2', '4.0', '7.0', '1.1'],
  '2025': ['3.0', '3.2', '4.0', '7.0', '1.1'],
}
const NAMES = ['hvheartbeat', 'hvshutdown', 'hvtimesync', 'hvvss', 'hvfcopy']

describe('on a machine', () => {
  it.each(HOST_RELEASES)(
    'every component works with the host of %s, and the host switches the machine off',
    async (name) => {
      const services = new IntegrationServices({ release: hostRelease(name), clock: systemClock })
      const drivers = utilsDrivers({ vssHooks: (kernel) => [flushDisks(kernel)] })
      const machine = await Machine.powerOn({
        release: name,
        devices: services.components,
        modules: [{ name: 'hv_utils', drivers: drivers as never }],
        tunables: { 'hw.hvtimesync.sample_verbose': '1' },
      })
      const { heartbeat, shutdown, timesync, vss } = services
      for (let tries = 0; heartbeat.beats === 0 || timesync.counters.answers < 2; tries++) {
        if (tries === 500) throw new Error(machine.kernel.dmesg.lines.map(({ text }) => text).join('\n'))
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      const versions = VERSIONS[name] ?? []
      expect(
        NAMES.slice(0, versions.length).map((dev) => machine.kernel.sysctl.get(`dev.${dev}.0.msg_version`)),
      ).toEqual(versions)
      expect(heartbeat.status).toBe('ok-unknown')
      if (vss.state === 'ready') expect(await vss.whileFrozen(async () => 'copied')).toBe('copied')
      await timesync.sync()
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect(Math.abs(Number(machine.kernel.sysctl.get('dev.hvtimesync.0.offset_us')))).toBeLessThan(100_000)
      await shutdown.order({ action: 'shutdown', reason: 'the test is over' })
      expect(await machine.off).toMatchObject({ request: 'power-off' })
      expect(services.components.map(({ state }) => state)).toEqual(services.components.map(() => 'absent'))
    },
  )
})
