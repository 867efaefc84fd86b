import type { PageRun } from '@bis/hyperv-types'
import { ChannelError } from '@bis/hyperv-types'
import {
  encodeControlMessage,
  encodeGpaRanges,
  GPADL_BODY_PFN_BYTES,
  GPADL_HEADER_RANGE_BYTES,
  MAX_GPADL_RANGE_BYTES,
} from '@bis/hyperv-types/vmbus'

/**
 * Most pages that one GPADL describes: `range_buflen` has 16 bits for the whole list, so further ranges do not help.
 * FreeBSD refuses more with EOPNOTSUPP.
 */
export const MAX_GPADL_PAGES = (MAX_GPADL_RANGE_BYTES - 8) / 8

/**
 * The GPADL_HEADER for whole pages and the GPADL_BODY messages that follow it, in order. Bodies say neither channel nor
 * number: the handle must be unique on the connection.
 * @throws ChannelError `invalid-argument` for no pages or more than {@link MAX_GPADL_PAGES}
 */
export function gpadlMessages(channelId: number, gpadl: number, run: PageRun, version: number): Uint8Array[] {
  if (run.pageCount < 1 || run.pageCount > MAX_GPADL_PAGES) {
    const limit = `a GPADL describes 1 to ${MAX_GPADL_PAGES} pages; share a larger buffer in parts`
    throw new ChannelError('invalid-argument', `${run.pageCount} pages for one GPADL: ${limit}`)
  }
  const pfns = Array.from({ length: run.pageCount }, (_, i) => run.pfn + i)
  const list = encodeGpaRanges([{ byteCount: run.byteLength, byteOffset: 0, pfns }])
  const first = list.subarray(0, GPADL_HEADER_RANGE_BYTES)
  const header = { child_relid: channelId, gpadl, range_buflen: list.length, rangecount: 1, range: first }
  const messages = [encodeControlMessage('GPADL_HEADER', header, version)]
  for (let at = first.length; at < list.length; at += GPADL_BODY_PFN_BYTES) {
    const pfn = list.subarray(at, at + GPADL_BODY_PFN_BYTES)
    messages.push(encodeControlMessage('GPADL_BODY', { msgnumber: 0, gpadl, pfn }, version))
  }
  return messages
}
