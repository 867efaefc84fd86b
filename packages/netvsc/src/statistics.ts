/** Counters of one interface, by hn(4)'s names where it has them. Plain numbers that only grow. */
export class NetvscStatistics {
  txFrames = 0
  txBytes = 0
  txErrors = 0
  rxFrames = 0
  rxBytes = 0
  rxDropped = 0
  /** Messages to the host, each with one frame or more. */
  sends = 0
  /** `transmit` answered `full`. */
  oactive = 0
  noTxdescs = 0
  /** Completions with a failure. */
  sendFailed = 0
  /** Frames sent through the send buffer. */
  txChimney = 0
  txChimneyTried = 0
  aggregated = 0
  /** Frames whose checksum the host vouches for. */
  csumTrusted = 0
  csumTcp = 0
  csumUdp = 0
  csumIp = 0
  rscPackets = 0
  rscDrop = 0
  rssPackets = 0
  /** Acknowledgements that waited for room in the ring. */
  rxAckDelayed = 0
  /** Acknowledgements that could not be kept. */
  rxAckFailed = 0
  /** What the host sent and should not have. */
  protocolErrors = 0
  /** Times that transmission stood still and the device was started again. */
  watchdog = 0
}
