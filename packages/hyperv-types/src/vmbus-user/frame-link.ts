import type { Frame } from './frame-reader.ts'

/** Why a link ended: words for the log, and whether it was the peer that broke the rules. */
export interface LinkEnd {
  readonly reason: string
  /** What the peer sent as ERROR, or what we found wrong with it; absent when the link ended in order. */
  readonly code?: number
}

export interface LinkHandlers {
  /**
   * A frame came; valid during the call. @returns false when it cannot be taken now: it comes again after `resume`.
   * @throws WireError for one that breaks the protocol: the link tells the peer and ends
   */
  onFrame(frame: Frame): boolean
  /** There is room again after `send` answered false. */
  onWritable(): void
  /** The link has ended, by either side; called once, and nothing after it. */
  onEnd(end: LinkEnd): void
}

/** A way for frames to the other side: a socket, or rings in shared memory. Frames keep their order; none is lost. */
export interface FrameLink {
  /** Bytes that came and were not taken yet. */
  readonly waiting: number
  /** Takes a copy of a frame. @returns false, with nothing taken, when too much is on its way already. */
  send(frame: Uint8Array): boolean
  /** Begins to hand over frames. Again with other handlers, they take over. */
  start(handlers: LinkHandlers): void
  /** Hands over the frame that was not taken, and those behind it. */
  resume(): void
  /** Ends the link; with a code, the peer is told why in an ERROR frame. `onEnd` is called. */
  close(end: LinkEnd): void
}
