export type { ChannelDescriptor, ProcessorLink } from './link-data.ts'
export type { ServedChannel, ServeOptions } from './served-channel.ts'
export { type ProcessorOptions, VirtualProcessor } from './virtual-processor.ts'
