/** What was wrong with a ring that was asked for, or with a packet handed to a producer. */
export type RingErrorCode = 'bad-ring-size' | 'bad-alignment' | 'bad-longest-packet' | 'bad-packet' | 'packet-too-long'

/** The caller's mistake about a ring. What the peer does wrong is never thrown: it ends in a `CORRUPT` result. */
export class RingError extends Error {
  override readonly name = 'RingError'
  readonly code: RingErrorCode

  constructor(code: RingErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
