export { utilsDrivers } from './drivers.ts'
export { heartbeatDriver } from './heartbeat/heartbeat.ts'
export * from './ic/index.ts'
