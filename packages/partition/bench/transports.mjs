// Latency of a signal to the root and an event back, for each place where the root can be:
// node bench/transports.mjs
import { spawn } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { isMainThread, workerData } from 'node:worker_threads'
import { GuestMemory } from '@bis/hyperv-types'
import { createMappedMemory } from '@bis/hyperv-types/mapped-memory'
import { SynicGuest } from '../dist/compliance/index.js'
import { Partition } from '../dist/index.js'
import { connectSocketRoot, startWorkerRoot } from '../dist/node/index.js'
import { attachPorts } from '../dist/worker/index.js'

const ROUNDS = 20_000

function echo(ports) {
  ports.connect({
    messagePosted: () => 0,
    eventSignaled(_connection, _flag, vp) {
      // As a root does: take note, and answer in a task of its own.
      queueMicrotask(() => ports.signalEvent(vp, 2, 1))
      return 0
    },
    partitionReset() {},
  })
}

async function play(name, partition) {
  const guest = new SynicGuest(partition)
  guest.start()
  const times = new Float64Array(ROUNDS)
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now()
    await new Promise((resolve) => {
      guest.onInterrupt = resolve
      guest.signal(0x2001)
    })
    guest.events.length = 0
    times[round] = (performance.now() - begin) * 1000
  }
  times.sort()
  const at = (part) => times[Math.floor(ROUNDS * part)].toFixed(1).padStart(7)
  console.log(`${name.padEnd(24)} median ${at(0.5)} µs, 99th percentile ${at(0.99)} µs there and back`)
}

if (!isMainThread && workerData?.ports !== undefined) {
  echo(attachPorts(workerData.ports).ports)
} else if (process.argv[2] === '--root') {
  const { listenVmbusUser } = await import('../../host/dist/node/index.js')
  await listenVmbusUser({ path: process.argv[3], onPartition: ({ ports }) => echo(ports) })
  console.log('listening')
} else {
  const inline = new Partition({ memory: GuestMemory.allocate(2 ** 21) })
  echo(inline.ports)
  await play('root inline', inline)

  const threaded = new Partition({ memory: GuestMemory.allocate(2 ** 21) })
  const worker = startWorkerRoot(threaded, new URL(import.meta.url))
  await play('root in a worker thread', threaded)
  await worker[Symbol.asyncDispose]()

  const path = `/tmp/bis-bench-${process.pid}.sock`
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--root', path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const memory = await createMappedMemory(2 ** 21)
  const remote = new Partition({ memory: memory.memory })
  const root = await connectSocketRoot(remote, { path, memory })
  await play('root in a process', remote)
  await root[Symbol.asyncDispose]()
  child.kill()
}
