export { decodeError, encodeError } from './error-frame.ts'
export type { FrameLink, LinkEnd, LinkHandlers } from './frame-link.ts'
export { type Frame, FrameReader } from './frame-reader.ts'
export {
  encodeFrame,
  encodeHello,
  encodeHelloAck,
  encodeMemoryAck,
  FrameWriter,
} from './frame-writer.ts'
export * from './frames.ts'
export { decodeMemory, encodeMemory, type SharedRegion } from './memory-regions.ts'
export { RemotePorts, type RemotePortsOptions } from './remote-ports.ts'
export { RemoteRoot, type RemoteRootOptions } from './remote-root.ts'
export { type ByteStream, StreamLink } from './stream-link.ts'
export { TransportError, type TransportErrorCode } from './transport-error.ts'
