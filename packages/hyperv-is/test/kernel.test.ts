import { diskUnit, hostRelease, RamDisk, scsiController } from '@bis/host'
import type { EthernetEvent, EthernetInterface, FrameOffload } from '@bis/hyperv-types'
import { ManualClock, TransmitStatus } from '@bis/hyperv-types'
import type { MachineOptions } from '@bis/machine'
import { Machine } from '@bis/machine'
import { storvsc } from '@bis/storvsc'
import { describe, expect, it } from 'vitest'
import { BouncedDisk, guestOptions, RELEASES, releaseProfile, StartQueue, TickClock } from '../src/index.ts'

describe.each(RELEASES)('a disk on the kernel of %s', (release) => {
  it('reads and writes buffers of any place and length through the same driver', async () => {
    const profile = releaseProfile(release)
    const { unmappedIo, maxDiskIo } = profile.kernel
    const controller = scsiController({
      release: hostRelease('2025'),
      instanceId: 'f8b3781a-1e82-4818-a1c3-63d806ec15bb',
    })
    const backend = new RamDisk({ sizeBytes: 8 * 2 ** 20 })
    controller.target.attach({ path: 0, target: 0, lun: 0 }, diskUnit(backend, { release: hostRelease('2025') }))
    await using machine = await Machine.powerOn({
      ...guestOptions(profile),
      devices: [controller],
      modules: [{ name: 'hv_storvsc', drivers: [storvsc()], dependencies: ['hv_vmbus'] }],
    })
    const disk = machine.kernel.disks.get('da0')
    if (!(disk instanceof BouncedDisk)) throw new Error('da0 is not there')
    expect(disk.geometry.maxTransferBytes).toBe(Math.min(maxDiskIo.value, disk.device.geometry.maxTransferBytes))
    const run = machine.kernel.pages.allocate(80)
    const inGuest = run.bytes.subarray(100, 100 + 300 * 1024)
    for (let i = 0; i < inGuest.length; i++) inGuest[i] = (i * 31) & 0xff
    await disk.write(4096, inGuest)
    const back = new Uint8Array(inGuest.length)
    await disk.read(4096, back)
    const free = machine.kernel.pages.freePages
    expect(Buffer.compare(back, inGuest)).toBe(0)
    const pieces = Math.ceil(inGuest.length / maxDiskIo.value)
    expect(disk.bounced).toBe(unmappedIo.value ? 0 : 2 * pieces)
    await expect(disk.read(8 * 2 ** 20, new Uint8Array(512))).rejects.toMatchObject({ code: 'out-of-range' })
    await disk.read(4096, back)
    expect(machine.kernel.pages.freePages).toBe(free)
    machine.kernel.pages.free(run)
  })
})

describe.each(RELEASES)('tunables on the kernel of %s', (release) => {
  const { kernel: facts } = releaseProfile(release)
  const loader = { 'hw.storvsc.chan_cnt': '3', 'hw.storvsc.max_io': '4294967297' }
  const modules = [{ name: 'hv_storvsc', drivers: [storvsc()], dependencies: ['hv_vmbus'] }]
  const sysctls = async (options: MachineOptions): Promise<unknown[]> => {
    await using machine = await Machine.powerOn({ modules, tunables: loader, ...options })
    return ['chan_cnt', 'max_io'].map((name) => machine.kernel.sysctl.get(`hw.storvsc.${name}`))
  }

  it("show the loader's value through the same driver; one that is no int counts as none", async () => {
    expect(await sysctls(guestOptions(releaseProfile(release)))).toEqual([3, 512])
  })

  it('need the shim where the kernel does not fetch by itself', async () => {
    const { adaptKernel: _shim, ...native } = guestOptions(releaseProfile(release))
    expect(await sysctls(native)).toEqual([facts.sysctlTunables.value ? 3 : 0, 512])
  })
})

/** A driver's interface with room for so many frames until it is told to go on. */
function fakeInterface() {
  const frames: number[] = []
  let room = 2
  let listener: (event: EthernetEvent) => void = () => {}
  const device = {
    name: 'hn0',
    beginBatch() {},
    endBatch() {},
    transmit(bytes: Uint8Array, offset: number, length: number, offload?: FrameOffload) {
      if (room === 0) return TransmitStatus.full
      room--
      frames.push(bytes[offset] ?? -1, length, offload?.vlan ?? -1)
      return TransmitStatus.sent
    },
    onEvent(told: typeof listener) {
      listener = told
      return () => {}
    },
  } as unknown as EthernetInterface
  const free = (count: number): void => {
    room = count
    listener({ type: 'writable' })
  }
  return { device, frames, free, tell: (event: EthernetEvent) => listener(event) }
}

describe('a start queue', () => {
  const frame = (first: number): Uint8Array => Uint8Array.of(0, first, 9, 9)
  const tagged: FrameOffload = { checksum: 0, segmentSize: 0, transportOffset: 0, vlan: 7, hash: 0 }

  it('keeps frames while the driver has no room, in order, and says when there is room again', () => {
    const { device, frames, free } = fakeInterface()
    const queue = new StartQueue(device, 3)
    const events: string[] = []
    queue.onEvent(({ type }) => events.push(type))
    const send = (first: number) => queue.transmit(frame(first), 1, 3, { ...tagged, vlan: first })
    expect([1, 2, 3, 4, 5].map(send)).toEqual([0, 0, 0, 0, 0])
    expect([send(6), queue.queued]).toEqual([TransmitStatus.full, 3])
    expect(frames).toEqual([1, 3, 1, 2, 3, 2])
    free(2)
    expect([frames.slice(6), events]).toEqual([[3, 3, 3, 4, 3, 4], []])
    free(5)
    expect([frames.slice(12), events]).toEqual([[5, 3, 5], ['writable']])
    expect(send(8)).toBe(TransmitStatus.sent)
    expect(frames.slice(15)).toEqual([8, 3, 8])
  })

  it('is emptied when the interface goes down', () => {
    const { device, frames, free, tell } = fakeInterface()
    const queue = new StartQueue(device, 8)
    for (let i = 0; i < 6; i++) queue.transmit(frame(i), 1, 3)
    expect(queue.queued).toBe(4)
    tell({ type: 'removed' })
    expect(queue.queued).toBe(0)
    free(9)
    expect(frames).toHaveLength(6)
  })
})

describe('callouts in ticks', () => {
  it('come together at a tick, never early', async () => {
    const manual = new ManualClock()
    const clock = new TickClock(manual, 10)
    const fired: string[] = []
    clock.after(11, () => fired.push('first'))
    await manual.advance(5)
    clock.after(15, () => fired.push('second'))
    clock.after(14.5, () => fired.push('third'))
    await manual.advance(14)
    expect(fired).toEqual([])
    await manual.advance(1)
    expect(fired).toEqual(['first', 'second', 'third'])
  })
})
