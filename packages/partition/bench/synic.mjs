// Cost of the paths that every signal takes, and the heap they leave behind: node --expose-gc bench/synic.mjs
import { performance } from 'node:perf_hooks'
import { GuestMemory } from '@bis/hyperv-types'
import { Msr } from '@bis/hyperv-types/hypervisor'
import { Partition } from '../dist/index.js'

const ROUNDS = 5_000_000
const begin = performance.now()
const memory = GuestMemory.allocate(4 * 2 ** 20)
const partition = new Partition({ memory, processorCount: 8 })
console.log(`partition made in ${(performance.now() - begin).toFixed(1)} ms`)

let signals = 0
partition.ports.connect({
  messagePosted: () => 0,
  eventSignaled: () => {
    signals++
    return 0
  },
  partitionReset() {},
})
partition.writeMsr(0, Msr.GUEST_OS_ID, 1n)
partition.writeMsr(0, Msr.HYPERCALL, 0x300001n)
partition.writeMsr(0, Msr.SIMP, 0x301001n)
partition.writeMsr(0, Msr.SIEFP, 0x302001n)
partition.writeMsr(0, Msr.SINT0 + 2, 0x200f3n)
partition.writeMsr(0, Msr.SCONTROL, 1n)
const words = new Int32Array(memory.regions[0].bytes.buffer, 0x302000, 1024)
const SIGNAL_BLOCK = 0x303000
memory.viewAt(SIGNAL_BLOCK, 8).setUint32(0, 0x2005, true)

function measure(name, action) {
  for (let i = 0; i < 100_000; i++) action(i)
  globalThis.gc?.()
  const heap = process.memoryUsage().heapUsed
  const start = performance.now()
  for (let i = 0; i < ROUNDS; i++) action(i)
  const nanoseconds = ((performance.now() - start) * 1e6) / ROUNDS
  const bytes = (process.memoryUsage().heapUsed - heap) / ROUNDS
  console.log(
    `${name.padEnd(34)} ${nanoseconds.toFixed(1).padStart(7)} ns ${bytes.toFixed(3).padStart(8)} bytes of heap`,
  )
}

measure('HvSignalEvent, fast', () => partition.hypercall(0, 0x1005d, 0x2005, 0))
measure('HvSignalEvent, slow', () => partition.hypercall(0, 0x5d, SIGNAL_BLOCK, 0))
measure('signalEvent, flag set', () => partition.ports.signalEvent(0, 2, 5))
measure('signalEvent, interrupt requested', () => {
  words[128] = 0
  partition.ports.signalEvent(0, 2, 5)
})
measure('EOM', () => partition.writeMsr(0, Msr.EOM, 0n))
console.log(`${signals} signals reached the root`)
