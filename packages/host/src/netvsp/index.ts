export { AdapterCounters } from './counters.ts'
export { NetworkAdapter, type NetworkAdapterOptions, type VirtualFunctionClient } from './network-adapter.ts'
export type { SessionPhase as NetSessionPhase } from './nvsp/session.ts'
