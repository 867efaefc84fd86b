/** Addresses that one switch remembers at most; more overwrite old ones. */
const SLOTS = 8192
const PROBES = 8
/** An address that was not seen for so long is forgotten. Source: IEEE 802.1Q, default ageing time. */
const AGEING_SECONDS = 300

/**
 * Where addresses were last seen, by VLAN. A fixed table: a guest that invents addresses can only push others out.
 * Looking up and learning allocate nothing.
 */
export class MacTable {
  readonly #high = new Int32Array(SLOTS)
  readonly #low = new Int32Array(SLOTS)
  readonly #ports = new Int32Array(SLOTS)
  readonly #seen = new Int32Array(SLOTS)

  /** @param portId above 0; `second` is any clock's */
  learn(bytes: Uint8Array, at: number, vlan: number, portId: number, second: number): void {
    const high = keyHigh(bytes, at, vlan)
    const low = keyLow(bytes, at)
    const start = slotOf(high, low)
    let oldest = start
    for (let i = 0; i < PROBES; i++) {
      const slot = (start + i) & (SLOTS - 1)
      const same = this.#high[slot] === high && this.#low[slot] === low
      if (same || this.#ports[slot] === 0) {
        oldest = slot
        break
      }
      if ((this.#seen[slot] ?? 0) < (this.#seen[oldest] ?? 0)) oldest = slot
    }
    this.#high[oldest] = high
    this.#low[oldest] = low
    this.#ports[oldest] = portId
    this.#seen[oldest] = second
  }

  /** @returns the port's id, or 0 when the address is unknown */
  find(bytes: Uint8Array, at: number, vlan: number, second: number): number {
    const high = keyHigh(bytes, at, vlan)
    const low = keyLow(bytes, at)
    const start = slotOf(high, low)
    for (let i = 0; i < PROBES; i++) {
      const slot = (start + i) & (SLOTS - 1)
      const port = this.#ports[slot] ?? 0
      if (port === 0) return 0
      if (this.#high[slot] === high && this.#low[slot] === low) {
        return second - (this.#seen[slot] ?? 0) > AGEING_SECONDS ? 0 : port
      }
    }
    return 0
  }

  /** Forgets every address of a port. */
  forget(portId: number): void {
    for (let slot = 0; slot < SLOTS; slot++) {
      // The slot stays taken, so that those that were put behind it are still found.
      if (this.#ports[slot] === portId) this.#seen[slot] = -AGEING_SECONDS - 1
    }
  }
}

function keyHigh(bytes: Uint8Array, at: number, vlan: number): number {
  return (vlan << 16) | ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

function keyLow(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at + 2] ?? 0) << 24) | ((bytes[at + 3] ?? 0) << 16) | ((bytes[at + 4] ?? 0) << 8) | (bytes[at + 5] ?? 0)
  )
}

function slotOf(high: number, low: number): number {
  return (Math.imul(high ^ Math.imul(low, 0x85eb_ca6b), 0x9e37_79b1) >>> 16) & (SLOTS - 1)
}
