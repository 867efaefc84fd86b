/**
 * When a signal is due. Hosts throttle a guest that signals needlessly, and a signal left out stalls the channel for good,
 * so these two rules are the heart of the ring. Source: Linux drivers/hv/ring_buffer.c (`hv_signal_on_write`,
 * `hv_pkt_iter_close`).
 */

/**
 * The producer's rule, asked after it has published its write index: only the packet that made the ring non-empty
 * needs a signal, and only if the consumer has not masked it.
 * @param readIndex the consumer's index, loaded after the write index was stored
 * @param oldWriteIndex the write index published before
 */
export function consumerNeedsSignal(interruptMask: number, readIndex: number, oldWriteIndex: number): boolean {
  return interruptMask === 0 && readIndex === oldWriteIndex
}

/**
 * The consumer's rule, asked after it has published its read index: signal only on the step from not enough room to enough.
 * Exactly as much as pending counts as not enough, as a producer leaves 8 bytes free.
 * @param pendingSendSize as the producer left it; some store the ring size less one, so it is rounded down to 8
 * @param freeNow free bytes, from indices loaded after the read index was stored
 * @param bytesRead bytes taken since the read index was published before
 */
export function producerNeedsSignal(pendingSendSize: number, freeNow: number, bytesRead: number): boolean {
  const pending = pendingSendSize - (pendingSendSize % 8)
  return pendingSendSize !== 0 && freeNow - bytesRead <= pending && pending < freeNow
}
