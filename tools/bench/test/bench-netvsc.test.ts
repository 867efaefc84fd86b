import { bundle } from '@bis/build/bundle'
import { expect, it } from 'vitest'
import { benchNetvsc, netvscTable } from '../src/netvsc/index.ts'

it('measures frames beside copies, loses none, and tells it as a table', { timeout: 60_000 }, async () => {
  const rows = await benchNetvsc({
    ports: [16],
    channels: [4],
    slices: 2,
    sliceMilliseconds: 0.2,
    heapFrames: 40_000,
    compiler: false,
    scripts: {
      measure: await bundle(new URL('../src/netvsc/measure-thread.ts', import.meta.url)),
      root: await bundle(new URL('../src/netvsc/root-thread.ts', import.meta.url)),
    },
  })
  const frames = rows.flatMap((row) => (row.contender === 'netvsc' ? [row] : []))
  expect(frames.map(({ load, memory, host }) => `${load} ${memory} ${host}`)).toEqual([
    ...['frames wasm same', 'frames wasm same', 'tcp wasm same', 'large-send wasm same', 'large-send-cut wasm same'],
    ...['frames plain same', 'frames plain same', 'tcp plain same', 'large-send plain same'],
    ...['frames wasm second', 'frames wasm second', 'tcp wasm second', 'large-send wasm second'],
    ...['frames wasm same', 'flows wasm same'],
  ])
  expect(frames.slice(-2).map(({ ports, channels }) => [ports, channels])).toEqual([
    [16, 1],
    [1, 4],
  ])
  for (const { nanoseconds } of frames) expect(nanoseconds).toBeGreaterThan(0)
  expect(rows.filter(({ contender }) => contender === 'copy')).toHaveLength(frames.length)
  expect(netvscTable(rows).split('\n')).toHaveLength(rows.length)
})
