export type { ChannelDescriptor, ProcessorLink } from './link-data.ts'
export { type ProcessorOptions, type ServedChannel, type ServeOptions, VirtualProcessor } from './virtual-processor.ts'
