export type { ConnectedPartition } from './partition-connection.ts'
export { listenVmbusUser, type VmbusUserServer, type VmbusUserServerOptions } from './vmbus-user-server.ts'
