export * from './errors.ts'
export type * from './interfaces/block-device.ts'
export {
  type Channel,
  type ChannelHandlers,
  type ChannelOffer,
  type ChannelOpenOptions,
  type ChannelState,
  type ChannelStatistics,
  type Gpadl,
  type PacketSender,
  SendStatus,
} from './interfaces/channel.ts'
export type { CharacterDevice, CharacterDevices, CharacterFile } from './interfaces/character-device.ts'
export type { Clock, RandomSource, Timer } from './interfaces/clock.ts'
export {
  type Attachment,
  type Device,
  type DeviceDescription,
  type DeviceState,
  type Driver,
  type Kernel,
  type PowerRequest,
  ProbePriority,
  type ProbeResult,
  type SysctlNode,
  type SysctlValue,
  type TunableLeaf,
  type TunableSysctl,
  type Tunables,
  type UnitRegistry,
} from './interfaces/device.ts'
export {
  type EthernetCapabilities,
  type EthernetEvent,
  type EthernetInterface,
  type EthernetSettings,
  type EthernetStatistics,
  type FrameOffload,
  type LinkState,
  ReceiveChecksum,
  type ReceivedFrame,
  type ReceiveHandler,
  TransmitChecksum,
  TransmitStatus,
} from './interfaces/ethernet-interface.ts'
export type * from './interfaces/host-channel.ts'
export type * from './interfaces/hypervisor.ts'
export { type Logger, type LogLevel, silentLogger } from './interfaces/logger.ts'
export type { MmioRange, MmioRequest, MmioSpace } from './interfaces/mmio.ts'
export type { Packet } from './interfaces/packet.ts'
export type { AtaUnit, PciFunction, PortDevice, PortIo, PortWidth } from './interfaces/port-io.ts'
export type * from './interfaces/synic-ports.ts'
export { type Backing, createBacking, type MemoryKind, WASM_PRIVATE_BYTES, type WasmMemory } from './memory/backing.ts'
export {
  type AllocateOptions,
  GuestMemory,
  type MemoryRegion,
  memoryLayout,
  type RegionSpec,
} from './memory/guest-memory.ts'
export { attachMemory, linkMemory, type MemoryLink } from './memory/memory-link.ts'
export * from './memory/page.ts'
export { PageAllocator, type PageConstraint, type PageRun } from './memory/page-allocator.ts'
export { ManualClock } from './runtime/manual-clock.ts'
export { SeededRandom } from './runtime/seeded-random.ts'
export { sleep } from './runtime/sleep.ts'
export { systemClock } from './runtime/system-clock.ts'
