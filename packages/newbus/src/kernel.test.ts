import { GuestMemory, ManualClock, PageAllocator } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { createKernel } from './kernel.ts'
import { MessageBuffer } from './message-buffer.ts'
import { SysctlTree } from './sysctl.ts'
import { KernelEnvironment, parseTunable } from './tunables.ts'
import { Units } from './unit-registry.ts'

describe('tunables', () => {
  it('reads integers as the loader does', () => {
    const cases: [string, number | undefined][] = [
      ['0', 0],
      ['42', 42],
      ['-7', -7],
      ['0x1F', 31],
      ['010', 8],
      ['08', undefined],
      ['4k', 4096],
      ['2M', 2 ** 21],
      ['1t', 2 ** 40],
      [' 12 ', 12],
      ['12 apples', undefined],
      ['', undefined],
      ['99999999999999999999', undefined],
    ]
    for (const [text, value] of cases) expect([text, parseTunable(text)]).toEqual([text, value])
  })
})

describe('sysctl', () => {
  it('lists, reads and writes by dotted name, units in numeric order', () => {
    const tree = new SysctlTree()
    let mtu = 1500
    for (const unit of [10, 2]) tree.child(`dev.hn.${unit}`).leaf('%desc', 'description', () => `hn${unit}`)
    tree.child('dev.hn.2').leaf(
      'mtu',
      'largest payload',
      () => mtu,
      (value) => {
        if (Number(value) > 9000) throw new RangeError('at most 9000')
        mtu = Number(value)
      },
    )
    expect(tree.list('dev.hn').map(({ name }) => name)).toEqual(['dev.hn.2.%desc', 'dev.hn.2.mtu', 'dev.hn.10.%desc'])
    tree.set('dev.hn.2.mtu', '0x2328')
    expect(tree.get('dev.hn.2.mtu')).toBe(9000)
    tree.child('dev.hn.2').remove()
    expect(tree.list('dev.hn').map(({ name }) => name)).toEqual(['dev.hn.10.%desc'])
  })

  it('[OP-02] parses strictly and keeps large values exact', () => {
    const tree = new SysctlTree()
    let big = 2 ** 40
    let huge = 2n ** 63n
    tree.leaf(
      'big',
      '',
      () => big,
      (value) => {
        big = Number(value)
      },
    )
    tree.leaf(
      'huge',
      '',
      () => huge,
      (value) => {
        huge = BigInt(value)
      },
    )
    tree.leaf('fixed', '', () => 1)
    tree.set('huge', String(2n ** 64n - 1n))
    expect(tree.get('huge')).toBe(2n ** 64n - 1n)
    for (const value of ['12x', '', '1.5', '1e3', '99999999999999999999']) {
      expect(() => tree.set('big', value)).toThrow(expect.objectContaining({ name: 'SysctlError', code: 'bad-value' }))
    }
    expect(tree.get('big')).toBe(2 ** 40)
    expect(() => tree.set('fixed', 2)).toThrow(expect.objectContaining({ code: 'read-only' }))
    expect(() => tree.get('none.such')).toThrow(expect.objectContaining({ code: 'unknown-name' }))
  })
})

describe('a sysctl that is a tunable', () => {
  const leaf = { name: 'hw.hn.chan_cnt', description: '# of channels', value: 2, min: 0, max: 64 }

  it.each([
    ['8', 8],
    ['0x10', 16],
    ['1k', 64],
    ['-3', 0],
    ['many', 2],
    ['', 2],
    ['2147483648', 2],
    ['4294967297', 2],
  ])("takes the loader's %j as %d when it is added", (text, value) => {
    const sysctl = new SysctlTree(new KernelEnvironment({ 'hw.hn.chan_cnt': text }))
    sysctl.tunable(leaf)
    expect(sysctl.get('hw.hn.chan_cnt')).toBe(value)
    expect(() => sysctl.set('hw.hn.chan_cnt', 1)).toThrow(expect.objectContaining({ code: 'read-only' }))
  })

  it('keeps its own value where the kernel does not fetch, until its owner does', () => {
    const loader = new KernelEnvironment({ 'hw.hn.chan_cnt': '8', 'hw.vmbus.max_version': '4.0' })
    const sysctl = new SysctlTree()
    const added = sysctl.child('hw').tunable({ ...leaf, name: 'hn.chan_cnt' })
    const text = sysctl.tunable({ name: 'hw.vmbus.max_version', description: '', value: '' })
    expect(sysctl.list('hw').map(({ value }) => value)).toEqual([2, ''])
    for (const each of [added, text]) each.fetch(loader)
    expect(sysctl.list('hw').map(({ value }) => value)).toEqual([8, '4.0'])
    added.remove()
    expect(() => sysctl.get('hw.hn.chan_cnt')).toThrow(expect.objectContaining({ code: 'unknown-name' }))
  })

  it('is written within its range when it is writable', () => {
    const sysctl = new SysctlTree()
    sysctl.tunable({ ...leaf, writable: true })
    sysctl.set('hw.hn.chan_cnt', '64')
    expect(sysctl.get('hw.hn.chan_cnt')).toBe(64)
    const refused = expect.objectContaining({ code: 'bad-value', message: expect.stringContaining('0 to 64') })
    expect(() => sysctl.set('hw.hn.chan_cnt', 65)).toThrow(refused)
  })
})

describe('dmesg', () => {
  it('[OP-01] holds back floods of one cause and says how many', async () => {
    const clock = new ManualClock()
    const dmesg = new MessageBuffer(clock)
    const log = dmesg.logger('hn0: ')
    for (let i = 0; i < 1000; i++) log.log('warning', 'bad packet', 'bad-packet')
    log.log('info', 'unrelated')
    expect(dmesg.lines.map(({ text }) => text)).toEqual([...Array(5).fill('hn0: bad packet'), 'hn0: unrelated'])
    await clock.advance(10_000)
    log.log('warning', 'bad packet', 'bad-packet')
    expect(dmesg.lines.at(-1)?.text).toBe('hn0: bad packet (995 more like this held back)')
  })

  it('keeps debug lines only when verbose, and never more than its capacity', () => {
    const quiet = new MessageBuffer(new ManualClock(), { capacity: 3 })
    quiet.logger().log('debug', 'hidden')
    for (const text of ['a', 'b', 'c', 'd']) quiet.logger().log('info', text)
    expect(quiet.lines.map(({ text }) => text)).toEqual(['b', 'c', 'd'])
  })
})

describe('units', () => {
  it('gives the lowest free unit and tells who watches', () => {
    const units = new Units<{ name: string }>()
    const seen: string[] = []
    units.watch((event, { name }) => seen.push(`${event} ${name}`))
    const first = units.add('da', (name) => ({ name }))
    units.add('da', (name) => ({ name }))
    first.remove()
    first.remove()
    expect(units.add('da', (name) => ({ name })).item.name).toBe('da0')
    expect(seen).toEqual(['arrived da0', 'arrived da1', 'departed da0', 'arrived da0'])
    expect(units.list().map(({ name }) => name)).toEqual(['da1', 'da0'])
  })
})

describe('kernel', () => {
  it('keeps a time of day of its own that the guest can set', async () => {
    const clock = new ManualClock(1_000_000)
    const pages = new PageAllocator(GuestMemory.allocate(64 * 4096, { kind: 'plain' }), 4096)
    const kernel = createKernel({ clock, random: () => {}, pages })
    expect(kernel.realtime()).toBe(1_000_000)
    kernel.setRealtime(5_000_000)
    await clock.advance(250)
    expect(kernel.realtime()).toBe(5_000_250)
    expect(kernel.clock.realtime()).toBe(5_000_250)
    expect(clock.realtime()).toBe(1_000_250)
    expect(kernel.requestPower('reboot', 'test')).toBe(false)
  })
})
