import type { LinkEnd } from './frame-link.ts'
import type { Frame } from './frame-reader.ts'
import { encodeFrame } from './frame-writer.ts'
import { errorFrame, FrameType, ResultCode } from './frames.ts'

const MAX_TEXT_BYTES = 1024

/** A longer text is cut. */
export function encodeError(code: number, text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text).subarray(0, MAX_TEXT_BYTES)
  return encodeFrame(FrameType.ERROR, errorFrame.encode({ code, text_length: bytes.length }), bytes)
}

/** What the other side says of why it ends the connection; malformed or not, it ends. */
export function decodeError({ view, bytes, base, length }: Frame): LinkEnd {
  if (length < errorFrame.size) return { reason: 'the other side reported an error', code: ResultCode.BAD_FRAME }
  const start = base + errorFrame.size
  const end = start + Math.min(errorFrame.text_length.get(view, base), length - errorFrame.size, MAX_TEXT_BYTES)
  const text = new TextDecoder().decode(bytes.slice(start, end))
  return { reason: `the other side reported: ${text}`, code: errorFrame.code.get(view, base) }
}
