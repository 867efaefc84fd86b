export { AdapterCounters } from './counters.ts'
export { NetworkAdapter, type NetworkAdapterOptions } from './network-adapter.ts'
export type { VirtualFunctionClient } from './nvsp/function-path.ts'
export type { SessionPhase as NetSessionPhase } from './nvsp/session.ts'
