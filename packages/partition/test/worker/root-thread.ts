import { parentPort, workerData } from 'node:worker_threads'
import type { PortsLinkData } from '../../src/worker/index.ts'
import { attachPorts } from '../../src/worker/index.ts'

/** A root in a thread of its own: answers every post with the same message and every signal with an event. */
const { link, crashAfter } = workerData as { link: PortsLinkData; crashAfter?: number }
const { ports, ended } = attachPorts(link)
let posts = 0

ports.connect({
  messagePosted(_connectionId, type, payload, vp) {
    if (ports.postMessage(vp, 2, type, payload) === 'full') return 19
    posts++
    if (posts === crashAfter) {
      queueMicrotask(() => {
        throw new Error('the root fell over')
      })
    }
    return 0
  },
  eventSignaled(connectionId, _flag, vp) {
    ports.signalEvent(vp, 2, connectionId % 2048)
    return 0
  },
  partitionReset() {},
})

void ended.then(({ reason }) => parentPort?.postMessage(`ended: ${reason}`))
