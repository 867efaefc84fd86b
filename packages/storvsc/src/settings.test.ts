import { expect, it } from 'vitest'
import { DEFAULT_SETTINGS, queueDepth, readSettings } from './settings.ts'

it('[ST-07] the queue depth is sane whatever the ring, the setting and the transfer', () => {
  for (const ringPages of [2, 3, 4, 64, 1024, 65_536]) {
    for (const maxIo of [1, 2, 512, 4096, 2 ** 31]) {
      for (const transfer of [4096, 65_536, 1 << 20, 1 << 30]) {
        const depth = queueDepth({ ...DEFAULT_SETTINGS, ringPages, maxIo }, transfer)
        expect(Number.isInteger(depth) && depth >= 1 && depth <= 4096).toBe(true)
      }
    }
  }
})

it('[PF-04] tunables are read, brought into range, and count less than what the driver was given', () => {
  const kenv = new Map([
    ['hw.storvsc.max_io', 100_000],
    ['hw.storvsc.ringbuffer_size', -1],
    ['hw.storvsc.chan_cnt', 4],
    ['hw.storvsc.use_win8ext_flags', 0],
  ])
  const tunables = { get: () => undefined, getInt: (name: string) => kenv.get(name) }
  expect(readSettings(tunables, { timeout: 5 })).toMatchObject({
    maxIo: 4096,
    ringPages: 4,
    channelCount: 4,
    useExtension: false,
    timeout: 5,
    retryCount: 4,
  })
})
