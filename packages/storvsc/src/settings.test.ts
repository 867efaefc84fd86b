import { KernelEnvironment, SysctlTree } from '@bis/newbus'
import { expect, it } from 'vitest'
import { DEFAULT_SETTINGS, queueDepth, readSettings, TUNABLES } from './settings.ts'

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
  const loader = new KernelEnvironment({
    'hw.storvsc.max_io': '100k',
    'hw.storvsc.ringbuffer_size': '-1',
    'hw.storvsc.chan_cnt': '4',
    'hw.storvsc.use_win8ext_flags': '0',
    'kern.cam.da.retry_count': 'often',
  })
  const sysctl = new SysctlTree(loader)
  for (const tunable of TUNABLES) sysctl.tunable(tunable)
  expect(readSettings(sysctl, { timeout: 5 })).toMatchObject({
    maxIo: 4096,
    ringPages: 4,
    channelCount: 4,
    useExtension: false,
    timeout: 5,
    retryCount: 4,
  })
})
