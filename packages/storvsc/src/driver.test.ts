import {
  DvdUnit,
  diskUnit,
  FaultyBackend,
  fibreChannelAdapter,
  HOST_RELEASES,
  ideDisk,
  RamDisk,
  ScsiFault,
  scsiController,
} from '@bis/host'
import type { BlockDeviceEvent, VspDevice } from '@bis/hyperv-types'
import { ManualClock } from '@bis/hyperv-types'
import { Sense } from '@bis/hyperv-types/scsi'
import { describe, expect, it } from 'vitest'
import { Bench, MIB, pattern, settingsOf, withRamDisk } from '../test/support/bench.ts'

describe('attaching', () => {
  it('prints what FreeBSD prints', async () => {
    const bench = await new Bench(withRamDisk()[0]).attach()
    expect(bench.dmesg.slice(1)).toEqual([
      'storvsc0: <Hyper-V SCSI> on vmbus0',
      'storvsc0: VSTOR version 6.2, 1 channels, 413 requests of 256 KB',
      'da0 at storvsc0 bus 0 scbus0 target 0 lun 0',
      'da0: <Msft Virtual Disk 1.0> Fixed Direct Access SPC-3 SCSI device',
      'da0: 300.000MB/s transfers',
      'da0: Command Queueing enabled',
      'da0: 4MB (8192 512 byte sectors)',
    ])
    expect(bench.disk().geometry).toMatchObject({
      blockSize: 512,
      physicalBlockSize: 4096,
      blockCount: 8192,
      readOnly: false,
      maxTransferBytes: 262144,
      trim: { granularity: 8, maxBlocks: 0xffff_ffff },
    })
  })

  it.each(HOST_RELEASES)('works with a host of %s', async (release) => {
    const bench = await new Bench(withRamDisk(MIB, release)[0]).attach()
    const newest = Math.max(...settingsOf(release).release.vstorVersions)
    expect(bench.dmesg.join('\n')).toContain(`VSTOR version ${newest >>> 8}.${newest & 0xff},`)
    const data = pattern(8192)
    const disk = bench.disk()
    await disk.write(4096, data)
    const back = new Uint8Array(8192)
    await disk.read(4096, back)
    expect(back).toEqual(data)
    expect(disk.geometry.trim !== undefined).toBe(newest >= 0x0501)
  })

  it('fails cleanly when the host speaks no version of ours', async () => {
    const controller = scsiController({
      ...settingsOf(),
      release: { ...settingsOf().release, vstorVersions: [0x0900] },
    })
    const bench = await new Bench(controller).attach()
    expect(bench.dmesg.at(-1)).toMatch(/attach failed: the host speaks none of the VSTOR versions 6.2, 6.0/)
    expect(bench.pages.allocatedPages).toBe(0)
    expect(bench.channel.state).toBe('offered')
  })

  it('[ST-08] fails when the host does not answer, and a late answer does no harm', async () => {
    const clock = new ManualClock()
    const [controller] = withRamDisk()
    let answer = (): void => {}
    const silent: VspDevice = {
      offer: controller.offer,
      openChannel: (channel) => ({
        onPacket: ({ transactionIdLow: low, transactionIdHigh: high }) => {
          answer = () => void channel.send(11, 0, low, high, undefined, 0, new Uint8Array(64), 0, 64)
        },
        onClose: () => {},
      }),
    }
    const bench = new Bench(silent, { clock })
    const attaching = bench.attach()
    await clock.advance(179_000)
    expect(bench.channel.state).toBe('open')
    await clock.advance(2000)
    await attaching
    expect(bench.dmesg.at(-1)).toMatch(/did not answer BEGIN_INITIALIZATION within 180 s/)
    answer()
    await clock.run()
    expect([bench.channel.state, bench.pages.allocatedPages]).toEqual(['offered', 0])
  })

  it('[ST-05] of controllers with different versions side by side mixes nothing up', async () => {
    const benches = await Promise.all(
      [...HOST_RELEASES, '2012' as const].map((release) => new Bench(withRamDisk(MIB, release)[0]).attach()),
    )
    for (const [i, bench] of benches.entries()) {
      const disk = bench.disk()
      await disk.write(0, pattern(4096, i))
      const back = new Uint8Array(4096)
      await disk.read(0, back)
      expect(back).toEqual(pattern(4096, i))
    }
  })

  it('gives back every page when detached, and attaches again', async () => {
    const bench = await new Bench(withRamDisk()[0]).attach()
    const disk = bench.disk()
    await disk.read(0, new Uint8Array(4096))
    await bench.tree.unload('hv_storvsc')
    expect(bench.pages.allocatedPages).toBe(0)
    expect(bench.kernel.disks.list()).toEqual([])
    await expect(disk.read(0, new Uint8Array(512))).rejects.toMatchObject({ name: 'DeviceError', code: 'removed' })
    await bench.attach()
    await bench.disk().read(0, new Uint8Array(4096))
  })

  it('takes sub-channels, one for each further processor, and uses them by LUN and processor', async () => {
    const [controller] = withRamDisk()
    const bench = await new Bench(controller, { processorCount: 4 }).attach()
    expect(bench.dmesg.join('\n')).toContain('4 channels')
    expect([...controller.statistics.keys()]).toEqual([0, 1, 2, 3])
    const disk = bench.disk()
    for (const cpu of [1, 1, 2, 3, 5]) await disk.execute([0, 0, 0, 0, 0, 0], { cpu })
    const counts = [1, 2, 3].map((index) => controller.statistics.get(index)?.requests)
    expect(counts).toEqual([3, 1, 1])
    const one = await new Bench(withRamDisk()[0], {
      processorCount: 4,
      tunables: { 'hw.storvsc.chan_cnt': '2' },
    }).attach()
    expect(one.dmesg.join('\n')).toContain('2 channels')
    const old = await new Bench(withRamDisk()[0], { processorCount: 4, protocolVersion: 0x1_0001 }).attach()
    expect(old.dmesg.join('\n')).toContain('1 channels')
  })
})

describe('reading and writing', () => {
  it('moves any buffer, wherever it lies', async () => {
    const bench = await new Bench(withRamDisk()[0]).attach()
    const disk = bench.disk()
    const run = bench.pages.allocate(260)
    const places: [string, Uint8Array][] = [
      ['in a page', run.bytes.subarray(512, 1024)],
      ['over pages', run.bytes.subarray(100, 100 + 512 * 30)],
      ['whole pages', run.bytes.subarray(4096, 4096 * 9)],
      ['longer than a transfer', run.bytes.subarray(77, 77 + MIB)],
      ['elsewhere', new Uint8Array(4096)],
      ['elsewhere, odd', new Uint8Array(8192).subarray(3, 3 + 4608)],
      ['elsewhere, long', new Uint8Array(MIB + 512)],
    ]
    for (const [i, [what, buffer]] of places.entries()) {
      const data = pattern(buffer.length, i + 2)
      buffer.set(data)
      await disk.write(1024, buffer, { durable: i % 2 === 0 })
      buffer.fill(0)
      await disk.read(1024, buffer)
      expect([what, Buffer.compare(buffer, data)]).toEqual([what, 0])
    }
    expect(bench.sysctl('dev.storvsc.0.bounce_pages')).toBe(0)
    expect(bench.sysctl('dev.storvsc.0.in_flight')).toBe(0)
    expect(bench.sysctl('dev.storvsc.0.data_bio_cnt')).toBe(2 * (1 + 1 + 1 + 4))
    await bench.tree.unload('hv_storvsc')
    bench.pages.free(run)
    expect(bench.pages.allocatedPages).toBe(0)
  })

  it('[ST-09] never asks for more than the host takes, at its limit and one sector beyond', async () => {
    const seen: number[] = []
    const settings = { ...settingsOf(), maxTransferBytes: 64 * 1024 }
    const controller = scsiController(settings)
    const ram = new RamDisk({ sizeBytes: MIB })
    const read = ram.read.bind(ram)
    ram.read = (offset, target) => {
      seen.push(target.length)
      return read(offset, target)
    }
    controller.target.attach({ path: 0, target: 0, lun: 0 }, diskUnit(ram, settings))
    const bench = await new Bench(controller).attach()
    await bench.disk().read(0, new Uint8Array(64 * 1024))
    await bench.disk().read(512, new Uint8Array(64 * 1024 + 512))
    expect(seen).toEqual([65536, 65536, 512])
    const raw = bench.disk().execute([0x28, 0, 0, 0, 0, 0, 0, 0, 129, 0], { dataIn: new Uint8Array(66048) })
    await expect(raw).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  it('keeps many requests in flight, and more waiting than there are slots', async () => {
    const bench = await new Bench(withRamDisk()[0], { settings: { maxIo: 4, ringPages: 4, bouncePages: 8 } }).attach()
    const disk = bench.disk()
    const data = Array.from({ length: 300 }, (_, i) => pattern(4096, i))
    await Promise.all(data.map((bytes, i) => disk.write(i * 4096, bytes)))
    await disk.flush()
    const back = data.map(() => new Uint8Array(4096))
    await Promise.all(back.map((bytes, i) => disk.read(i * 4096, bytes)))
    expect(back.map((bytes, i) => Buffer.compare(bytes, data[i] ?? bytes))).toEqual(data.map(() => 0))
    expect(bench.sysctl('dev.storvsc.0.bounce_pages')).toBe(0)
  })

  it('refuses what cannot be', async () => {
    const [controller, ram] = withRamDisk()
    const bench = await new Bench(controller).attach()
    const disk = bench.disk()
    const cases: [Promise<void>, string][] = [
      [disk.read(100, new Uint8Array(512)), 'invalid-argument'],
      [disk.read(0, new Uint8Array(100)), 'invalid-argument'],
      [disk.read(4 * MIB, new Uint8Array(512)), 'out-of-range'],
      [disk.read(-512, new Uint8Array(512)), 'out-of-range'],
      [disk.read(Number.NaN, new Uint8Array(512)), 'invalid-argument'],
      [disk.write(2 ** 52, new Uint8Array(512)), 'out-of-range'],
      [disk.trim(0, 100), 'invalid-argument'],
      [disk.trim(4 * MIB, 512), 'out-of-range'],
      [disk.read(0, new Uint8Array(512), AbortSignal.abort()), 'aborted'],
    ]
    for (const [promise, code] of cases) await expect(promise).rejects.toMatchObject({ name: 'DeviceError', code })
    await disk.read(0, new Uint8Array(0))
    ram.readOnly = true
    await expect(disk.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'read-only' })
    await disk.reprobe()
    expect(disk.geometry.readOnly).toBe(true)
  })

  it('trims, in as many descriptors as it takes', async () => {
    const [controller] = withRamDisk()
    const disk = (await new Bench(controller).attach()).disk()
    await disk.write(0, new Uint8Array(16384).fill(1))
    await disk.trim(4096, 8192)
    const back = new Uint8Array(16384)
    await disk.read(0, back)
    expect([0, 4095, 4096, 12287, 12288].map((i) => back[i])).toEqual([1, 1, 0, 0, 1])
    await disk.trim(0, 0)
  })

  it('zeroes by WRITE SAME, sending one sector; by writing where the disk has none or refuses it', async () => {
    for (const how of ['write same', 'refused', 'none'] as const) {
      const [controller, ram] = withRamDisk(4 * MIB, how === 'none' ? '2008r2' : '2025')
      const disk = (await new Bench(controller).attach()).disk()
      const execute = controller.target.execute.bind(controller.target)
      const lengths: number[] = []
      controller.target.execute = (request) => {
        if (request.opcode === 0x93) {
          if (how === 'refused') request.cdb[0] = 0xff
          lengths.push(request.data.length)
        }
        return execute(request)
      }
      await disk.write(0, new Uint8Array(2 * MIB).fill(1))
      await disk.writeZeroes(4096, MIB)
      await disk.writeZeroes(0, 0)
      const back = new Uint8Array(2 * MIB)
      await disk.read(0, back)
      expect(back.findIndex((byte) => byte === 0)).toBe(4096)
      expect(back.subarray(4096, 4096 + MIB).every((byte) => byte === 0)).toBe(true)
      expect(back.subarray(4096 + MIB).every((byte) => byte === 1)).toBe(true)
      if (how === 'write same') expect(lengths).toEqual(Array(5).fill(512)) // 256 KiB each, to its multiples
      expect(lengths.length).toBe({ 'write same': 5, refused: 1, none: 0 }[how])
      await expect(disk.writeZeroes(disk.byteLength, 512)).rejects.toMatchObject({ code: 'out-of-range' })
      ram.readOnly = true
      await disk.reprobe()
      await expect(disk.writeZeroes(0, 512)).rejects.toMatchObject({ code: 'read-only' })
    }
  })

  it('does commands as they are and tells what came of them', async () => {
    const bench = await new Bench(withRamDisk()[0]).attach()
    const disk = bench.disk()
    const data = new Uint8Array(96)
    const inquiry = await disk.execute(Uint8Array.of(0x12, 0, 0, 0, 64, 0), { dataIn: data })
    expect(inquiry).toMatchObject({ srbStatus: 1, scsiStatus: 0, transferred: 64, residual: 32, senseLength: 0 })
    const bad = await disk.execute([0xff, 0, 0, 0, 0, 0])
    expect(bad).toMatchObject({ srbStatus: 0x86, scsiStatus: 2, senseLength: 18 })
    expect([bad.sense[2], bad.sense[12]]).toEqual([5, 0x20])
    const pages = [bench.pages.allocate(1), bench.pages.allocate(1), bench.pages.allocate(1)]
    const [a, , c] = pages.map(({ bytes }) => bytes)
    if (a === undefined || c === undefined) throw new Error('no pages')
    await disk.write(0, pattern(8192))
    await disk.execute([0x28, 0, 0, 0, 0, 0, 0, 0, 16, 0], { dataIn: [c, a] })
    expect([...c, ...a]).toEqual([...pattern(8192)])
    expect(bench.sysctl('dev.storvsc.0.data_sg_cnt')).toBe(1)
    const odd = [c.subarray(0, 100), a.subarray(5, 4001), new Uint8Array(4096)]
    await disk.execute([0x28, 0, 0, 0, 0, 0, 0, 0, 16, 0], { dataIn: odd })
    expect(odd.flatMap((bytes) => [...bytes])).toEqual([...pattern(8192)])
    await expect(disk.execute([0x28])).rejects.toMatchObject({ code: 'invalid-argument' })
  })
})

describe('writes that must last', () => {
  it('carry FUA where the disk takes it, and are followed by a flush where it does not', async () => {
    for (const fua of [true, false]) {
      const [controller, ram] = withRamDisk()
      let flushes = 0
      ram.flush = () => {
        flushes++
        return undefined
      }
      const bench = await new Bench(controller).attach()
      const disk = bench.disk()
      const facts = disk.facts as { forcesWrites: boolean }
      facts.forcesWrites = fua
      const data = pattern(MIB)
      await disk.write(0, data, { durable: true })
      // With FUA each of the four transfers flushes; without, one flush is enough.
      expect(flushes).toBe(fua ? 4 : 1)
      await disk.write(0, data)
      expect(flushes).toBe(fua ? 4 : 1)
    }
  })

  it('resets of a unit, its bus and its controller end nothing that is under way', async () => {
    const bench = await new Bench(withRamDisk()[0]).attach()
    const disk = bench.disk()
    const writes = Array.from({ length: 50 }, (_, i) => disk.write(i * 4096, pattern(4096)))
    await Promise.all([disk.reset('lun'), disk.reset('bus'), disk.reset('adapter')])
    await Promise.all(writes)
    expect(bench.sysctl('dev.storvsc.0.protocol_errors')).toBe(0)
    await disk.read(0, new Uint8Array(512))
  })
})

describe('changes while running', () => {
  it('[ST-04] a resize is seen with the next command, or at once when the host says so', async () => {
    const [controller, ram] = withRamDisk()
    const bench = await new Bench(controller).attach()
    const disk = bench.disk()
    const events: BlockDeviceEvent[] = []
    disk.onEvent((event) => events.push(event))
    ram.resize(8 * MIB)
    await disk.read(0, new Uint8Array(512))
    await disk.reprobe()
    expect(disk.geometry.blockCount).toBe(16384)
    expect(events).toEqual([{ type: 'resized', geometry: disk.geometry }])
    expect(bench.dmesg.join('\n')).toContain('Capacity data has changed')
    await disk.write(7 * MIB, new Uint8Array(4096))
    ram.resize(2 * MIB)
    await expect(disk.read(3 * MIB, new Uint8Array(512))).rejects.toMatchObject({ code: 'out-of-range' })
    await disk.reprobe()
    expect(disk.geometry.blockCount).toBe(4096)
  })

  it('[ST-16] disks come and go, in any order, and the guest has just those the host has', async () => {
    const settings = settingsOf()
    const controller = scsiController(settings)
    const bench = await new Bench(controller).attach()
    const names = (): string[] =>
      bench.kernel.disks.list().map((disk) => `${(disk as never as { address: { lun: number } }).address.lun}`)
    const present = new Set<number>()
    const order = Array.from({ length: 64 }, (_, i) => (i * 37) % 64)
    const step = async (lun: number): Promise<void> => {
      const address = { path: 0, target: 0, lun }
      if (present.delete(lun)) controller.target.detach(address)
      else {
        present.add(lun)
        const diskId = new Uint8Array(16).fill(lun + 1)
        controller.target.attach(address, diskUnit(new RamDisk({ sizeBytes: MIB, diskId }), settings))
      }
    }
    const settled = async (): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 0))
      for (let i = 0; i < 100 && names().length !== present.size; i++)
        await new Promise((resolve) => setTimeout(resolve, 5))
    }
    for (const lun of order.slice(0, 8)) {
      await step(lun)
      await settled()
      expect(new Set(names())).toEqual(new Set([...present].map(String)))
    }
    await Promise.all(order.slice(8).map(step))
    await settled()
    expect(names().length).toBe(64)
    for (const lun of order.toReversed().slice(0, 40)) await step(lun)
    await settled()
    expect(new Set(names())).toEqual(new Set([...present].map(String)))
    const before = bench.kernel.disks.list()[0]
    await before?.read(0, new Uint8Array(4096))
  })

  it('another disk at the same LUN is another disk', async () => {
    const settings = settingsOf()
    const [controller] = withRamDisk()
    const bench = await new Bench(controller).attach()
    const first = bench.disk()
    const address = { path: 0, target: 0, lun: 0 }
    controller.target.detach(address)
    const diskId = new Uint8Array(16).fill(9)
    controller.target.attach(address, diskUnit(new RamDisk({ sizeBytes: 2 * MIB, diskId }), settings))
    await expect.poll(() => bench.kernel.disks.get('da0')?.geometry.blockCount).toBe(4096)
    await expect(first.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'removed' })
  })

  it('a disk that is taken away without a word goes with the next command', async () => {
    const [controller] = withRamDisk()
    const bench = await new Bench(controller).attach()
    const disk = bench.disk()
    const events: string[] = []
    disk.onEvent(({ type }) => events.push(type))
    const units = controller.target as unknown as { detach(address: object): void; onChange: unknown }
    units.detach({ path: 0, target: 0, lun: 0 })
    await expect(disk.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'removed' })
    await expect.poll(() => bench.kernel.disks.list().length).toBe(0)
    expect(events).toEqual(['removed'])
    expect(bench.dmesg.at(-1)).toBe('da0: <Msft Virtual Disk 1.0> detached')
  })

  it('[CL-03] the whole controller is taken away with requests under way, and all of them end', async () => {
    const [controller] = withRamDisk()
    const bench = await new Bench(controller).attach()
    const disk = bench.disk()
    const reads = Array.from({ length: 1000 }, () => disk.read(0, new Uint8Array(4096)))
    const settled = Promise.allSettled(reads)
    await bench.rescind()
    const results = await settled
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'removed' })
    }
    await bench.tree.unload('hv_storvsc')
    expect(bench.pages.allocatedPages).toBe(0)
  })

  it('[ST-13] suspend waits for what is under way, and what comes meanwhile is done after resume', async () => {
    const [controller] = withRamDisk()
    const bench = await new Bench(controller, { processorCount: 2 }).attach()
    const disk = bench.disk()
    const before = Array.from({ length: 50 }, (_, i) => disk.write(i * 4096, pattern(4096, i)))
    await bench.tree.suspend()
    expect(bench.channel.state).toBe('offered')
    const back = new Uint8Array(4096)
    const during = disk.read(7 * 4096, back)
    let done = false
    void during.then(() => {
      done = true
    })
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(done).toBe(false)
    await bench.tree.resume()
    await Promise.all([...before, during])
    expect(back).toEqual(pattern(4096, 7))
  })

  it('shutdown flushes', async () => {
    const [controller, ram] = withRamDisk()
    let flushes = 0
    ram.flush = () => {
      flushes++
      return undefined
    }
    const bench = await new Bench(controller).attach()
    await bench.tree.shutdown()
    expect(flushes).toBe(1)
  })
})

describe('the other controllers', () => {
  it('an IDE disk is da0 of blkvsc, at its own target', async () => {
    const { release } = settingsOf('2012r2')
    const controller = ideDisk({ release, channel: 0, device: 1, backend: new RamDisk({ sizeBytes: MIB }) })
    const bench = await new Bench(controller).attach()
    expect(bench.dmesg).toContain('storvsc0: <Hyper-V IDE> on vmbus0')
    expect(bench.dmesg).toContain('da0 at blkvsc0 bus 0 scbus0 target 1 lun 0')
    await bench.disk().write(0, pattern(512))
  })

  it('a Fibre Channel adapter has world-wide names, and disks all over its fabric', async () => {
    const settings = settingsOf()
    const names = {
      port: Uint8Array.of(0xc0, 3, 0xff, 0, 0, 0, 0, 1),
      node: Uint8Array.of(0xc0, 3, 0xff, 0, 0, 0, 0, 2),
    }
    const controller = fibreChannelAdapter({ ...settings, names })
    const disk = () => diskUnit(new RamDisk({ sizeBytes: MIB }), settings)
    controller.target.attach({ path: 0, target: 0, lun: 0 }, disk())
    controller.target.attach({ path: 7, target: 127, lun: 254 }, disk())
    const bench = await new Bench(controller).attach()
    expect(bench.dmesg).toContain('storvsc0: port WWN c003ff0000000001, node WWN c003ff0000000002')
    expect(bench.dmesg).toContain('da1 at storvsc0 bus 7 scbus0 target 127 lun 254')
    await bench.disk('da1').read(0, new Uint8Array(4096))
  })

  it('[TG-06] finds disks without LUN 0, and up to the last', async () => {
    const settings = settingsOf()
    const controller = scsiController(settings)
    const disk = () => diskUnit(new RamDisk({ sizeBytes: MIB }), settings)
    for (const lun of [5, 63, 64, 255]) controller.target.attach({ path: 0, target: 0, lun }, disk())
    controller.target.attach({ path: 0, target: 1, lun: 2 }, disk())
    const bench = await new Bench(controller).attach()
    expect(bench.dmesg.filter((line) => line.includes(' at storvsc0'))).toEqual([
      'da0 at storvsc0 bus 0 scbus0 target 0 lun 5',
      'da1 at storvsc0 bus 0 scbus0 target 0 lun 63',
      'da2 at storvsc0 bus 0 scbus0 target 0 lun 64',
      'da3 at storvsc0 bus 0 scbus0 target 0 lun 255',
      'da4 at storvsc0 bus 0 scbus0 target 1 lun 2',
    ])
    expect((await new Bench(scsiController(settings)).attach()).kernel.disks.list()).toEqual([])
  })

  it('disks with sectors of 4096 bytes work', async () => {
    const settings = settingsOf()
    const controller = scsiController(settings)
    const ram = new RamDisk({ sizeBytes: MIB, logicalSectorSize: 4096 })
    controller.target.attach({ path: 0, target: 0, lun: 0 }, diskUnit(ram, settings))
    const disk = (await new Bench(controller).attach()).disk()
    expect(disk.geometry).toMatchObject({ blockSize: 4096, blockCount: 256 })
    await disk.write(8192, pattern(8192))
    const back = new Uint8Array(8192)
    await disk.read(8192, back)
    expect(back).toEqual(pattern(8192))
    await expect(disk.read(512, new Uint8Array(4096))).rejects.toMatchObject({ code: 'invalid-argument' })
  })
})

describe('an optical drive', () => {
  it('is cd0, and its media come and go', async () => {
    const settings = settingsOf()
    const controller = scsiController(settings)
    const disc = new RamDisk({ sizeBytes: 2048 * 100 })
    disc.write(2048, pattern(2048))
    const drive = new DvdUnit()
    controller.target.attach({ path: 0, target: 0, lun: 1 }, drive)
    const bench = await new Bench(controller).attach()
    expect(bench.dmesg.slice(-4)).toEqual([
      'cd0 at storvsc0 bus 0 scbus0 target 0 lun 1',
      'cd0: <Msft Virtual DVD-ROM 1.0> Removable CD-ROM SPC-3 SCSI device',
      'cd0: 300.000MB/s transfers',
      'cd0: Attempt to query device size failed: NOT READY, Medium not present',
    ])
    const cd = bench.disk('cd0')
    await expect(cd.read(0, new Uint8Array(2048))).rejects.toMatchObject({ code: 'no-media' })
    const events: string[] = []
    cd.onEvent(({ type }) => events.push(type))
    drive.insert(disc)
    await expect.poll(() => events).toEqual(['media-changed', 'resized'])
    expect(cd.geometry).toMatchObject({ blockSize: 2048, blockCount: 100, readOnly: true })
    const back = new Uint8Array(2048)
    await cd.read(2048, back)
    expect(back).toEqual(pattern(2048))
    await expect(cd.write(0, back)).rejects.toMatchObject({ code: 'read-only' })
    drive.eject()
    await expect.poll(() => cd.mediaPresent).toBe(false)
    await expect(cd.read(2048, back)).rejects.toMatchObject({ code: 'no-media' })
  })
})

describe('failures of the disk', () => {
  const faulty = async (clock?: ManualClock): Promise<[Bench, FaultyBackend]> => {
    const settings = settingsOf()
    const controller = scsiController(settings)
    const backend = new FaultyBackend(new RamDisk({ sizeBytes: 4 * MIB }))
    controller.target.attach({ path: 0, target: 0, lun: 0 }, diskUnit(backend, settings))
    const bench = new Bench(controller, clock === undefined ? {} : { clock })
    const attaching = bench.attach()
    await clock?.run()
    await attaching
    return [bench, backend]
  }

  it('are tried again as often as the tunable says, then told', async () => {
    const [bench, backend] = await faulty()
    const disk = bench.disk()
    backend.inject({ range: { start: 4096, end: 4608 }, count: 4 })
    await disk.read(4096, new Uint8Array(512))
    expect(bench.sysctl('dev.storvsc.0.retries')).toBe(4)
    backend.inject({ range: { start: 4096, end: 4608 } })
    await expect(disk.read(0, new Uint8Array(8192))).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(/READ\(10\): medium error 11\/00/),
    })
    await disk.read(8192, new Uint8Array(4096))
  })

  it('that call for patience get it', async () => {
    const clock = new ManualClock()
    const [bench, backend] = await faulty(clock)
    for (const error of [
      new ScsiFault('busy', 'busy'),
      new ScsiFault('task-set-full', 'full'),
      new ScsiFault('check-condition', 'becoming ready', Sense.LOGICAL_UNIT_BECOMING_READY),
    ]) {
      backend.inject({ error, count: 7 })
      const reading = bench.disk().read(0, new Uint8Array(512))
      await clock.advance(1000)
      await reading
    }
  })

  it('[ST-12] do not flood the message buffer', async () => {
    const [bench, backend] = await faulty()
    backend.inject({})
    const lines = bench.dmesg.length
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5000 }, (_, i) => bench.disk().read((i % 8) * 4096, new Uint8Array(4096))),
    )
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
    expect(bench.dmesg.length - lines).toBeLessThan(20)
  })

  it('that are unit attentions cost nothing but another try', async () => {
    const [bench] = await faulty()
    const [controller] = withRamDisk()
    const other = await new Bench(controller).attach()
    controller.target.reset(Sense.POWER_ON_OR_RESET)
    await other.disk().read(0, new Uint8Array(512))
    expect(other.sysctl('dev.storvsc.0.retries')).toBe(1)
    expect(bench.disk().geometry.blockCount).toBe(8192)
  })
})
