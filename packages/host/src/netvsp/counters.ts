/** What one adapter of the host has seen, each cause of its own. Plain numbers that only grow. */
export class AdapterCounters {
  txFrames = 0
  txBytes = 0
  rxFrames = 0
  rxBytes = 0
  /** Frames for a guest that has no receive buffer free. */
  rxNoBuffer = 0
  /** Frames longer than a receive buffer of this guest. */
  rxTooLong = 0
  /** Frames that the packet filter keeps out. */
  rxFiltered = 0
  /** NVSP messages too short, unknown, or not due now. */
  badNvsp = 0
  /** Send sections or guest pages that are not there. */
  badRange = 0
  /** RNDIS messages whose lengths do not fit each other. */
  badRndisLength = 0
  /** An RNDIS header that is split over two ranges. */
  splitHeader = 0
  /** Per-packet information that does not fit. */
  badPacketInfo = 0
  /** Frames with impossible lengths. */
  badFrame = 0
  /** Checksum or segmentation requests that do not fit their frame. */
  badOffload = 0
  /** Completions for nothing that is outstanding. */
  badCompletion = 0
  /** Control requests that were answered with a failure. */
  refusedRequests = 0
}
