/** A figure of the VHDX bench. */
export interface VhdxRow {
  readonly bench: 'copy' | 'read' | 'read-plain' | 'random-read' | 'write' | 'convert' | 'memory'
  /** Format that is converted to. */
  readonly to?: 'raw' | 'vhd' | 'vhdx'
  readonly value: number
  /** Bytes per second, operations per second, or bytes of memory. */
  readonly unit: 'B/s' | 'IOPS' | 'B'
  /** What `qemu-img convert` did with the same file in the same run; absent where there is none. */
  readonly qemuImg?: number
  /** This figure divided by qemu-img's. */
  readonly ofQemuImg?: number
  /** This figure divided by a plain copy in memory of as many bytes. */
  readonly ofCopy?: number
}
