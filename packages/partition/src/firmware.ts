import type { AddressRange, Firmware } from '@bis/hyperv-types'
import { PartitionError } from './errors.ts'

export interface FirmwareOptions {
  /** 1: BIOS, PCI and legacy devices; 2: UEFI. Default 2. */
  readonly generation?: 1 | 2
  /** False for a machine without VMBus. */
  readonly vmbus?: boolean
  /** Hardware id of the VMBus node; default `VMBUS`, newer hosts also have `MSFT1000`. */
  readonly vmbusHid?: string
  /** MMIO space below 4 GiB in MiB, ending there: 128 (the default) to 3584, as `Set-VM -LowMemoryMappedIoSpace`. */
  readonly lowMmioMegabytes?: number
  /** MMIO space that ends at 64 GiB, in MiB; default 512, as `Set-VM -HighMemoryMappedIoSpace`; 0 for none. */
  readonly highMmioMegabytes?: number
  /** MMIO windows to tell the guest instead; empty for a node without any. */
  readonly mmio?: readonly AddressRange[]
  /** The firmware's framebuffer; default the beginning of the low window, null for none. */
  readonly framebuffer?: AddressRange | null
}

const MIB = 2 ** 20
const FOUR_GIB = 2 ** 32
const HIGH_END = 64 * 2 ** 30
/** Flash and local APICs at the end of the low gap are the firmware's own. */
const LOW_END = 0xfffc_0000
const DEFAULT_LOW = 128
const MAX_LOW = 3584
const DEFAULT_HIGH = 512
const MAX_HIGH = 32 * 1024
/** Video memory of the generation 1 display adapter, and what the UEFI display of generation 2 takes. */
const FRAMEBUFFER_BYTES = { 1: 64 * MIB, 2: 8 * MIB } as const

/**
 * What the firmware tells, as hosts lay it out: a low MMIO window up to 4 GiB, a high one up to 64 GiB, the display at
 * the beginning of the low one.
 * @throws PartitionError `invalid-option`
 */
export function firmwareFor(options: FirmwareOptions): Firmware {
  const generation = options.generation ?? 2
  const low = checkMegabytes('lowMmioMegabytes', options.lowMmioMegabytes ?? DEFAULT_LOW, DEFAULT_LOW, MAX_LOW)
  const high = checkMegabytes('highMmioMegabytes', options.highMmioMegabytes ?? DEFAULT_HIGH, 0, MAX_HIGH)
  const lowBase = FOUR_GIB - low * MIB
  const windows: AddressRange[] = [{ base: lowBase, size: LOW_END - lowBase }]
  if (high > 0) windows.push({ base: HIGH_END - high * MIB, size: high * MIB })
  const framebuffer = options.framebuffer ?? { base: lowBase, size: FRAMEBUFFER_BYTES[generation] }
  return {
    generation,
    ...(options.vmbus === false ? {} : { vmbus: { hid: options.vmbusHid ?? 'VMBUS', mmio: options.mmio ?? windows } }),
    ...(options.framebuffer === null ? {} : { framebuffer }),
  }
}

function checkMegabytes(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new PartitionError('invalid-option', `${name} ${value}; whole numbers from ${least} to ${most}`)
  }
  return value
}
