/** Our daemon in a process of its own, on the device that the preload library puts in place. */
import { runKvpDaemon } from '../../src/node/index.ts'

const [folder = ''] = process.argv.slice(2)
await runKvpDaemon({
  signal: new AbortController().signal,
  log: { log: (level, text) => process.stderr.write(`${level}: ${text}\n`) },
  device: '/dev/vmbus/hv_kvp',
  create: 'shared',
  folder,
})
