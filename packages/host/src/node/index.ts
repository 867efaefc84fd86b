export { FrameStream, type FrameStreamHandlers } from './frame-stream.ts'
export type { ConnectedPartition } from './partition-connection.ts'
export { StreamPort, type StreamPortOptions } from './stream-port.ts'
export { listenVmbusUser, type VmbusUserServer, type VmbusUserServerOptions } from './vmbus-user-server.ts'
