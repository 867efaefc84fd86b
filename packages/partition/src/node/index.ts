export { connectSocketRoot, type SocketRoot, type SocketRootOptions } from './socket-root.ts'
export { startWorkerRoot, type WorkerRoot } from './worker-root.ts'
