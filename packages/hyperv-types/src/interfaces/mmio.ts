/** What to look for in the MMIO space; addresses and sizes in bytes, below 2^53. */
export interface MmioRequest {
  readonly size: number
  /** A power of two; default 4096. */
  readonly alignment?: number
  /** Lowest address allowed; default 0. */
  readonly from?: number
  /** First address no longer allowed; default none. */
  readonly below?: number
  /** Look above 4 GiB first, for what need not lie below. */
  readonly preferHigh?: boolean
  /** May lie in the range of the firmware's framebuffer: for the driver of that display. */
  readonly framebuffer?: boolean
}

/** Address space that belongs to one owner until it gives it back. */
export interface MmioRange {
  readonly base: number
  readonly size: number
  /** Gives the space back; a second call does nothing. */
  release(): void
}

/** The MMIO windows of the VMBus node, for the devices on it. */
export interface MmioSpace {
  /** First fit. @returns undefined when there is no such space. @throws RangeError for a size or alignment that is none. */
  allocate(request: MmioRequest): MmioRange | undefined
}
