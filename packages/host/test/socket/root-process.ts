import { listenVmbusUser } from '../../src/node/index.ts'

/** A root in a process of its own: answers every post with the same message and every signal with an event. */
const path = process.argv[2] ?? ''
await listenVmbusUser({
  path,
  onPartition({ ports, ended }) {
    ports.connect({
      messagePosted: (_connectionId, type, payload, vp) =>
        ports.postMessage(vp, 2, type, payload) === 'full' ? 19 : 0,
      eventSignaled(connectionId, _flag, vp) {
        ports.signalEvent(vp, 2, connectionId % 2048)
        return 0
      },
      partitionReset() {},
    })
    void ended.then(({ reason }) => console.log(`ended: ${reason}`))
  },
})
console.log('listening')
