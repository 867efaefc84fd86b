import { setImmediate } from 'node:timers/promises'
import type { PortsFixture } from '../../src/compliance/index.ts'

const PATIENCE_MS = 5000
const SETTLE_TURNS = 20

export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await setImmediate()
  await new Promise((resolve) => setTimeout(resolve, 10))
}

export const until: PortsFixture['until'] = async (what, condition) => {
  const deadline = performance.now() + PATIENCE_MS
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await setImmediate()
  }
}
