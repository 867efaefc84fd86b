import { HeartbeatComponent, hostRelease } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { allModules, controllerWith, disk, exercise, Lan, powerOn, ramDisk } from '../guest.ts'

/** Each module unloads and loads again while the others work; the bus, when all that need it are gone. */
export const modules: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const heartbeat = new HeartbeatComponent({ release: hostRelease(cell.host), clock: systemClock, intervalMs: 5 })
  const devices = [controllerWith(cell, ramDisk()), lan.adapter(), heartbeat]
  const all = allModules()
  await using machine = await powerOn(cell, { devices, modules: all })
  const { tree, kernel } = machine
  const has: Readonly<Record<string, () => boolean>> = {
    hv_storvsc: () => kernel.disks.get('da0') !== undefined,
    hv_netvsc: () => kernel.interfaces.get('hn0') !== undefined,
    hv_utils: () => tree.find('hvheartbeat0')?.state === 'attached',
  }
  const loaded = (name: string): boolean => tree.modules.some((module) => module.name === name)
  want(loaded('hv_vmbus') && all.every(({ name }) => loaded(name)) && all.length === 4, 'not all five are loaded')
  for (const module of all) {
    await tree.unload(module.name)
    want(!loaded(module.name), `${module.name} is still there`)
    for (const [name, there] of Object.entries(has))
      want(there() === (name !== module.name), `${name} with ${module.name} unloaded`)
    if (module.name !== 'hv_storvsc') await exercise(disk(machine), 0, 4096)
    await tree.load(module)
    for (const [name, there] of Object.entries(has)) await until(there, `${name} after ${module.name} came back`)
    await exercise(disk(machine), 4096, 4096)
  }
  const refused = await tree.unload('hv_vmbus').then(
    () => false,
    () => true,
  )
  want(refused, 'the bus was unloaded under its drivers')
  for (const module of all.filter(({ dependencies }) => dependencies !== undefined)) await tree.unload(module.name)
  await tree.unload('hv_vmbus')
  await tree.load(machine.busModule)
  for (const module of all.filter(({ dependencies }) => dependencies !== undefined)) await tree.load(module)
  await exercise(disk(machine), 8192, 4096)
  return {
    did: 'unloaded and loaded each of the five modules',
    saw: 'its device went and came back, the others went on; the bus refused while it was needed',
  }
}
