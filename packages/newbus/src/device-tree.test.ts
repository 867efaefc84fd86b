import type { Attachment, Device, Driver } from '@bis/hyperv-types'
import { GuestMemory, ManualClock, PageAllocator, ProbePriority } from '@bis/hyperv-types'
import { beforeEach, describe, expect, it } from 'vitest'
import { DeviceTree } from './device-tree.ts'
import type { GuestKernel } from './kernel.ts'
import { createKernel } from './kernel.ts'

let clock: ManualClock
let kernel: GuestKernel
let tree: DeviceTree
let log: string[]

beforeEach(() => {
  clock = new ManualClock()
  const pages = new PageAllocator(GuestMemory.allocate(64 * 4096, { kind: 'plain' }), 4096)
  kernel = createKernel({ clock, random: (bytes) => bytes.fill(7), pages })
  tree = new DeviceTree(kernel)
  log = []
})

interface DriverOptions {
  readonly bus?: string
  readonly priority?: number
  readonly match?: string
  attach?(device: Device): Promise<void> | void
}

function driver(name: string, options: DriverOptions = {}): Driver {
  return {
    name,
    module: `hv_${name}`,
    bus: options.bus ?? 'nexus',
    probe: (device) =>
      options.match === undefined || device.location === options.match
        ? { priority: options.priority ?? ProbePriority.default, description: `Test ${name}` }
        : undefined,
    async attach(device): Promise<Attachment> {
      await options.attach?.(device)
      const note = (what: string) => async () => void log.push(`${what} ${device.nameunit}`)
      return {
        suspend: note('suspend'),
        resume: note('resume'),
        shutdown: note('shutdown'),
        [Symbol.asyncDispose]: note('detach'),
      }
    },
  }
}

const at = (location: string) => ({ location, pnpinfo: `classid=${location}`, ivars: undefined })
const dmesg = (): string[] => kernel.dmesg.lines.map(({ text }) => text)

describe("a module's tunables", () => {
  const level = { name: 'hw.demo.level', description: 'how much', value: 1 }
  const demo = { name: 'hv_demo', drivers: [{ ...driver('demo'), tunables: [level] }] }

  it('come and go with it, and are set again from the loader each time', async () => {
    kernel.tunables.set('hw.demo.level', '3')
    const seen: unknown[] = []
    const probing = driver('probing', { attach: (device) => void seen.push(device.kernel.sysctl.get('hw.demo.level')) })
    tree.root.addChild(at('x'))
    await tree.load({ name: 'probing', drivers: [{ ...probing, tunables: [level] }] })
    expect(seen).toEqual([3])
    await tree.unload('probing')
    expect(kernel.sysctl.list('hw')).toEqual([])
    kernel.tunables.unset('hw.demo.level')
    await tree.load(demo)
    expect(kernel.sysctl.get('hw.demo.level')).toBe(1)
  })

  it('stay with the first of two modules that bring the same', async () => {
    await tree.load(demo)
    await tree.load({ ...demo, name: 'other' })
    expect(dmesg()).toEqual(["can't re-use a leaf (hw.demo.level)!"])
    await tree.unload('other')
    expect(kernel.sysctl.get('hw.demo.level')).toBe(1)
  })
})

describe('probing', () => {
  it('takes the driver with the highest priority, the first loaded among equals', async () => {
    await tree.load({ name: 'a', drivers: [driver('low', { priority: ProbePriority.low }), driver('first')] })
    await tree.load({ name: 'b', drivers: [driver('second'), driver('other', { bus: 'pci', priority: 0 })] })
    const child = tree.root.addChild(at('x'))
    await tree.settled()
    expect(child.nameunit).toBe('first0')
    expect(child.state).toBe('attached')
    expect(dmesg()).toEqual(['first0: <Test first> on nexus'])
  })

  it('leaves a device nobody wants in the list, and offers it to a module loaded later', async () => {
    const child = tree.root.addChild(at('x'))
    expect([child.state, child.nameunit]).toEqual(['not-present', 'x'])
    await tree.load({ name: 'late', drivers: [driver('late')] })
    expect([child.state, child.nameunit]).toEqual(['attached', 'late0'])
  })

  it('[VC-16] gives units in the order of the devices, whichever attaches first', async () => {
    const started: (() => void)[] = []
    const slow = driver('da', { attach: () => new Promise<void>((resolve) => started.push(resolve)) })
    await tree.load({ name: 'm', drivers: [slow] })
    const children = ['a', 'b', 'c'].map((location) => tree.root.addChild(at(location)))
    const order: string[] = []
    for (const child of children) void child.earlierSettled().then(() => order.push(child.nameunit))
    for (const start of started.toReversed()) start()
    await tree.settled()
    await clock.run()
    expect(children.map(({ nameunit }) => nameunit)).toEqual(['da0', 'da1', 'da2'])
    expect(order).toEqual(['da0', 'da1', 'da2'])
  })
})

describe('attaching and detaching', () => {
  it('[CL-14] reports the first cause of a failed attach and leaves nothing behind', async () => {
    const broken = driver('broken', {
      attach(device) {
        device.sysctl.leaf('x', 'left over', () => 1)
        throw new Error('no such luck')
      },
    })
    await tree.load({ name: 'm', drivers: [broken] })
    const child = tree.root.addChild(at('x'))
    await tree.settled()
    expect(child.state).toBe('failed')
    expect(child.failure?.message).toBe('no such luck')
    expect(dmesg().at(-1)).toBe('device_attach: broken0 attach failed: no such luck')
    expect(kernel.sysctl.list().filter(({ name }) => name.startsWith('dev.'))).toEqual([])
  })

  it('[CL-01] removes a device once, however often it is asked', async () => {
    await tree.load({ name: 'm', drivers: [driver('d')] })
    const child = tree.root.addChild(at('x'))
    await tree.settled()
    await Promise.all([tree.root.removeChild(child), tree.root.removeChild(child), tree.root.removeChild(child)])
    expect(log).toEqual(['detach d0'])
    expect(child.state).toBe('gone')
    expect(tree.devices()).toEqual([])
  })

  it('waits for an attach under way before it detaches, and tells the attach', async () => {
    let finish = (): void => {}
    const slow = driver('slow', {
      attach: () =>
        new Promise<void>((resolve) => {
          finish = resolve
        }),
    })
    await tree.load({ name: 'm', drivers: [slow] })
    const child = tree.root.addChild(at('x'))
    const removed = tree.root.removeChild(child).then(() => log.push('removed'))
    await clock.run()
    expect(log).toEqual([])
    finish()
    await removed
    expect(log).toEqual(['detach slow0', 'removed'])
  })

  it('detaches a device that fails while running, keeps it listed, and gives its unit away again', async () => {
    await tree.load({ name: 'm', drivers: [driver('d')] })
    const child = tree.root.addChild(at('x'))
    await tree.settled()
    child.fail(new Error('ring corrupt'))
    await clock.run()
    expect(child.state).toBe('failed')
    expect(log).toEqual(['detach d0'])
    const next = tree.root.addChild(at('y'))
    await tree.settled()
    expect(next.nameunit).toBe('d0')
  })
})

describe('modules', () => {
  it('detach their devices when unloaded and attach them when loaded again', async () => {
    const bus = driver('vmbus', { match: 'x', attach: (device) => void device.addChild(at('child')) })
    await tree.load({ name: 'hv_vmbus', drivers: [bus] })
    const leaf = { name: 'hv_leaf', drivers: [driver('leaf', { bus: 'vmbus' })], dependencies: ['hv_vmbus'] }
    await expect(tree.load({ ...leaf, dependencies: ['hv_other'] })).rejects.toMatchObject({
      code: 'missing-dependency',
    })
    await tree.load(leaf)
    tree.root.addChild(at('x'))
    await tree.settled()
    expect(tree.find('leaf0')?.parent?.nameunit).toBe('vmbus0')
    await expect(tree.unload('hv_vmbus')).rejects.toMatchObject({ code: 'in-use' })
    await tree.unload('hv_leaf')
    expect(log).toEqual(['detach leaf0'])
    expect(tree.find('leaf0')).toBeUndefined()
    await tree.load(leaf)
    expect(tree.find('leaf0')?.state).toBe('attached')
  })
})

describe('power', () => {
  it('suspends and shuts down children first, resumes parents first', async () => {
    const bus = driver('vmbus', { match: 'x', attach: (device) => void device.addChild(at('child')) })
    await tree.load({ name: 'm', drivers: [bus, driver('leaf', { bus: 'vmbus' })] })
    tree.root.addChild(at('x'))
    await tree.settled()
    await tree.suspend()
    await tree.resume()
    await tree.shutdown()
    expect(log).toEqual([
      'suspend leaf0',
      'suspend vmbus0',
      'resume vmbus0',
      'resume leaf0',
      'shutdown leaf0',
      'shutdown vmbus0',
      'detach leaf0',
      'detach vmbus0',
    ])
    expect(clock.pendingTimers).toBe(0)
  })
})
