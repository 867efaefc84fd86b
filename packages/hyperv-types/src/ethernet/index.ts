export { foldChecksum, foldSum, pseudoHeaderSum, sumWords } from './checksum.ts'
export { copyBytes, copyWords } from './copy-bytes.ts'
export { finishIpv4Header, finishTransport, Segmenter, transportIsGood } from './finish.ts'
export {
  type FrameController,
  type FrameIteratorOptions,
  frameSink,
  frameSource,
  receivedFrames,
  sendFrame,
} from './frame-iterator.ts'
export { ETHERNET_HEADER_BYTES, EtherType, FrameHeaders, IpProtocol } from './headers.ts'
export { BROADCAST_KEY, formatMac, isGroup, macKey, parseMac } from './mac-address.ts'
export { RepeatedCopies } from './repeated-copies.ts'
export { DEFAULT_RSS_KEY, Toeplitz } from './toeplitz.ts'
