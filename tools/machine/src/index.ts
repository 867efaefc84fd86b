export { GuestMachine, type PowerOff } from './guest-machine.ts'
export { Machine } from './machine.ts'
export { DEFAULT_MEMORY_BYTES, type GuestMachineOptions, type MachineOptions } from './machine-options.ts'
export { platformRandom } from './platform-random.ts'
