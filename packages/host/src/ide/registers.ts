/** Ports of a channel, from its base on. Source: ATA/ATAPI-6, 7. */
export const IdeRegister = { data: 0, error: 1, count: 2, low: 3, mid: 4, high: 5, device: 6, command: 7 } as const

export const IdeStatus = { ERR: 0x01, DRQ: 0x08, DSC: 0x10, DF: 0x20, DRDY: 0x40, BSY: 0x80 } as const
export const IdeError = { ABRT: 0x04, IDNF: 0x10, UNC: 0x40 } as const
/** Bits of the device control register. */
export const IdeControl = { nIEN: 0x02, SRST: 0x04, HOB: 0x80 } as const
/** Bits of the interrupt reason, which is the count register while packets move. */
export const InterruptReason = { command: 1, toGuest: 2 } as const

export const SECTOR_BYTES = 512

/** The command block's registers; each but the device remembers the value before, for 48-bit addresses. */
export class TaskFile {
  features = 0
  device = 0
  readonly #now = new Uint8Array(8)
  readonly #before = new Uint8Array(8)

  get(register: number, previous = false): number {
    return (previous ? this.#before : this.#now)[register] ?? 0
  }

  write(register: number, value: number): void {
    this.#before[register] = this.#now[register] ?? 0
    this.#now[register] = value
  }

  /** What a drive shows after a reset, by which one knows its kind. */
  setSignature(mid: number, high: number): void {
    for (const [register, value] of [1, 1, mid, high].entries()) this.write(IdeRegister.count + register, value)
  }

  /** First sector of the command: 28-bit, 48-bit, or by cylinder, head and sector. */
  address(extended: boolean): number {
    const { low, mid, high } = IdeRegister
    const lower = this.get(low) + this.get(mid) * 2 ** 8 + this.get(high) * 2 ** 16
    if (extended) {
      const upper = this.get(low, true) + this.get(mid, true) * 2 ** 8 + this.get(high, true) * 2 ** 16
      return upper * 2 ** 24 + lower
    }
    const head = this.device & 0x0f
    if ((this.device & 0x40) !== 0) return head * 2 ** 24 + lower
    const cylinder = this.get(mid) + this.get(high) * 2 ** 8
    return (cylinder * 16 + head) * 63 + this.get(low) - 1
  }

  /** Sectors of the command; 0 stands for the most there can be. */
  sectors(extended: boolean): number {
    const count = this.get(IdeRegister.count)
    if (!extended) return count === 0 ? 256 : count
    const whole = this.get(IdeRegister.count, true) * 256 + count
    return whole === 0 ? 65_536 : whole
  }
}
