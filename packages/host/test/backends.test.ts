import { ManualClock } from '@bis/hyperv-types'
import { create, MemoryBackend } from '@bis/vhdx'
import { describe, expect, it } from 'vitest'
import type { DiskBackend } from '../src/index.ts'
import { DiskUnit, FaultyBackend, IopsLimitedBackend, RamDisk, ScsiTarget } from '../src/index.ts'
import { cdb16, run, u64 } from './support/scsi.ts'

const MIB = 1024 * 1024
const ram = (): DiskBackend => new RamDisk({ sizeBytes: 8 * MIB })
const image = (format: 'raw' | 'vhd' | 'vhdx', type: 'fixed' | 'dynamic') => () =>
  create(new MemoryBackend(), { format, type, sizeBytes: 8 * MIB })

const BACKENDS: [string, () => DiskBackend | Promise<DiskBackend>][] = [
  ['a RAM disk', ram],
  ['a RAM disk that may fail', () => new FaultyBackend(ram())],
  ['a RAM disk with an I/O limit', () => new IopsLimitedBackend(ram(), { clock: new ManualClock(), maximumIops: 0 })],
  ['a raw image', image('raw', 'fixed')],
  ['a fixed VHD', image('vhd', 'fixed')],
  ['a dynamic VHD', image('vhd', 'dynamic')],
  ['a fixed VHDX', image('vhdx', 'fixed')],
  ['a dynamic VHDX', image('vhdx', 'dynamic')],
]

/** Ranges that leave a disk of 8 MiB, in bytes. */
const OUTSIDE: [number, number][] = [
  [8 * MIB, 512],
  [8 * MIB - 512, 1024],
  [0, 8 * MIB + 512],
  [-512, 512],
  [2 ** 31, 512],
  [2 ** 32, 512],
  [2 ** 53 - 512, 512],
  [2 ** 63, 512],
  [Number.POSITIVE_INFINITY, 512],
]

describe.each(BACKENDS)('[TG-08] %s', (_name, make) => {
  it('refuses by itself what lies beyond its end', async () => {
    const backend = await make()
    for (const [offset, length] of OUTSIDE) {
      const calls = [
        async () => backend.read(offset, new Uint8Array(length)),
        async () => backend.write(offset, new Uint8Array(length)),
        async () => backend.trim(offset, length),
      ]
      for (const call of calls)
        await expect(call(), `${offset}+${length}`).rejects.toMatchObject({ code: 'out-of-range' })
    }
    await backend.read(8 * MIB - 512, new Uint8Array(512))
  })

  it('is a disk behind the target, sector by sector', async () => {
    const backend = await make()
    const target = new ScsiTarget()
    target.attach({ path: 0, target: 0, lun: 0 }, new DiskUnit({ backend }))
    const data = Uint8Array.from({ length: 8192 }, (_, i) => i * 13)
    const last = 16_384 - 16
    for (const lba of [0, 3, 4095, last]) {
      expect(await run(target, cdb16(0x8a, u64(lba), 16), { data, out: true })).toMatchObject({ srb: 1 })
      const back = await run(target, cdb16(0x88, u64(lba), 16), { data: 8192 })
      expect([back.srb, back.transferred, Buffer.compare(back.data, data)]).toEqual([1, 8192, 0])
    }
    for (const lba of [last + 1, 2 ** 32, 2 ** 52]) {
      expect(await run(target, cdb16(0x88, u64(lba), 16), { data: 8192 })).toMatchObject({ sense: '5/21/00' })
    }
  })
})
