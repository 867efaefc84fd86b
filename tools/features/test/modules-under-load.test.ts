import { diskUnit, gen1Chipset, hostRelease, IntegrationServices, ideDisk } from '@bis/host'
import { RELEASE_PROFILES } from '@bis/hyperv-is'
import type { BlockDevice } from '@bis/hyperv-types'
import { DeviceError, systemClock } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { until } from '../src/feature.ts'
import {
  allModules,
  collect,
  controllerWith,
  frameOf,
  Lan,
  macOf,
  pattern,
  powerOn,
  ramDisk,
  same,
} from '../src/guest.ts'

const BLOCK = 16_384
const BLOCKS = 64
const CYCLES = 3

/** Writes blocks of a disk, whichever device it is now, and knows what each must hold. */
class Writer {
  readonly #disk: () => BlockDevice | undefined
  /** By block: the seed of what was acknowledged; undefined where a write was cut off. */
  readonly #seeds = new Map<number, number | undefined>()
  written = 0
  refused = 0
  #stopped = false
  readonly ended: Promise<void>

  constructor(disk: () => BlockDevice | undefined) {
    this.#disk = disk
    this.ended = this.#run()
  }

  async #run(): Promise<void> {
    for (let round = 1; !this.#stopped; round++) {
      const disk = this.#disk()
      const block = round % BLOCKS
      if (disk !== undefined) {
        this.#seeds.set(block, undefined)
        try {
          await disk.write(block * BLOCK, pattern(BLOCK, round))
          this.#seeds.set(block, round)
          this.written++
        } catch (error) {
          // A device that goes says so; nothing else may come of it.
          expect(error).toBeInstanceOf(DeviceError)
          this.refused++
        }
      }
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.ended
    const back = new Uint8Array(BLOCK)
    const disk = this.#disk()
    for (const [block, seed] of this.#seeds) {
      if (seed === undefined) continue
      await disk?.read(block * BLOCK, back)
      expect(same(back, pattern(BLOCK, seed)), `block ${block} of ${disk?.name}`).toBe(true)
    }
  }
}

describe('each module, while the rest has work', () => {
  it('goes and comes again; what was acknowledged is there, and nothing is left over', async () => {
    const cell = { profile: RELEASE_PROFILES.head, host: '2025' as const }
    await using lan = new Lan(cell)
    const peer = await lan.guest()
    const controller = controllerWith(cell, ramDisk())
    const settings = { release: hostRelease(cell.host) }
    controller.target.attach({ path: 0, target: 0, lun: 1 }, diskUnit(ramDisk(), settings))
    const ide = ramDisk()
    const services = new IntegrationServices({ ...settings, clock: systemClock })
    const modules = allModules()
    await using machine = await powerOn(cell, {
      generation: 1,
      chipset: gen1Chipset([{ channel: 0, device: 0, drive: { disk: ide } }]),
      devices: [controller, ideDisk({ ...settings, backend: ide, channel: 0, device: 0 }), ...services.components],
      modules,
      processorCount: 2,
    })
    machine.plug(lan.adapter())
    const { kernel, tree } = machine
    await until(() => kernel.interfaces.get('hn0') !== undefined && kernel.disks.list().length === 3, 'all devices')
    expect(kernel.disks.list().map(({ name }) => name)).toEqual(['da0', 'da1', 'da2'])
    const devices = (): string[] => tree.devices().map(({ nameunit, state }) => `${nameunit} ${state}`)
    const before = { devices: devices().sort(), pages: 0 }

    const got = collect(peer.net)
    let sent = 0
    let running = true
    const traffic = (async () => {
      while (running) {
        const net = kernel.interfaces.get('hn0')
        const frame = net === undefined ? undefined : frameOf(macOf(1), net.settings.address, 60 + (sent % 1400))
        for (let i = 0; i < 8 && frame !== undefined; i++) if (net?.transmit(frame, 0, frame.length) === 0) sent++
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
    })()
    const writers = ['da0', 'da1', 'da2'].map((name) => new Writer(() => kernel.disks.get(name)))
    const progress = async (what: string, count: () => number): Promise<void> => {
      const start = count()
      await until(() => count() >= start + 5, what)
    }
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      for (const module of modules) {
        await tree.unload(module.name)
        if (module.name !== 'hv_storvsc')
          for (const writer of writers) await progress(`writes without ${module.name}`, () => writer.written)
        if (module.name !== 'hv_netvsc') await progress(`frames without ${module.name}`, () => got.length)
        await tree.load(module)
        for (const writer of writers) await progress(`writes after ${module.name}`, () => writer.written)
        await progress(`frames after ${module.name}`, () => got.length)
      }
      await expect(tree.unload('hv_vmbus')).rejects.toMatchObject({ code: 'in-use' })
      const needing = modules.filter(({ dependencies }) => dependencies !== undefined)
      for (const module of needing) await tree.unload(module.name)
      await tree.unload('hv_vmbus')
      expect(kernel.pages.allocatedPages).toBe(0)
      await tree.load(machine.busModule)
      for (const module of needing) await tree.load(module)
      for (const writer of writers) await progress('writes after the bus came back', () => writer.written)
      await until(() => kernel.interfaces.get('hn0') !== undefined, 'hn0 after the bus came back')
      expect(devices().sort()).toEqual(before.devices)
      // The same pages each time: nothing of the cycle before is still there.
      await until(() => services.heartbeat.status.startsWith('ok'), 'the heartbeat')
      if (cycle === 0) before.pages = kernel.pages.allocatedPages
      else expect(kernel.pages.allocatedPages).toBe(before.pages)
    }
    running = false
    await traffic
    for (const writer of writers) await writer.stop()
    expect(Math.min(...writers.map(({ written }) => written))).toBeGreaterThan(50)
    expect(sent).toBeGreaterThan(got.length - 1)
  }, 60_000)
})
