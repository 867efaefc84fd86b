import type { GuestMemory } from '../memory/guest-memory.ts'
import type { PortIo } from './port-io.ts'

/** What the CPUID instruction returns; each an unsigned 32-bit number. */
export interface CpuidResult {
  readonly eax: number
  readonly ebx: number
  readonly ecx: number
  readonly edx: number
}

/** An address range in bytes, both below 2^53. */
export interface AddressRange {
  readonly base: number
  readonly size: number
}

/** What ACPI tells of the VMBus node (`_HID` VMBUS or MSFT1000): the MMIO windows of its `_CRS`, possibly none. */
export interface VmbusNode {
  readonly hid: string
  readonly mmio: readonly AddressRange[]
}

/** What the firmware of the machine tells the guest besides CPUID. */
export interface Firmware {
  readonly generation: 1 | 2
  /** Absent when the machine has no VMBus. */
  readonly vmbus?: VmbusNode
  /** Range the firmware's display uses, kept out of every MMIO allocation. */
  readonly framebuffer?: AddressRange
}

/** What a thread signals the root with by itself; passes through postMessage and workerData. */
export interface SignalLink {
  /** A `SignalBoard` of `@bis/hyperv-types/threads`. */
  readonly board: SharedArrayBuffer
  /** The processor's row on it. */
  readonly row: number
}

/**
 * The processor and hypervisor as one partition sees them. `cpu` numbers the guest's processors from 0; the VP index
 * of a processor is what its HV_X64_MSR_VP_INDEX register says, and need not be the same number.
 *
 * Interrupt service routines are called by the hypervisor's own scheduling, one at a time on a processor and never
 * inside a call that the guest makes here.
 */
export interface Hypervisor {
  readonly memory: GuestMemory
  readonly processorCount: number
  readonly firmware: Firmware
  /** Absent on a generation 2 machine, which has no device at an I/O port. */
  readonly io?: PortIo
  cpuid(leaf: number, subleaf?: number): CpuidResult
  /** @throws HypervisorFault `general-protection` for a register that does not exist or may not be read. */
  readMsr(cpu: number, msr: number): bigint
  /** @throws HypervisorFault `general-protection` for a register or value that is refused. */
  writeMsr(cpu: number, msr: number, value: bigint): void
  /**
   * Calls the hypercall page. `control` is the low word of the hypercall input value (call code in bits 15:0, fast in
   * bit 16); `input` and `output` are guest-physical addresses, or the two register parameters of a fast call, each
   * below 2^53.
   * @returns the HV_STATUS.
   * @throws HypervisorFault `invalid-opcode` while the hypercall page is not enabled.
   */
  hypercall(cpu: number, control: number, input: number, output: number): number
  /** The processor's time stamp counter. */
  readTsc(cpu: number): bigint
  /** Installs the interrupt service routine of a vector (2 is the NMI), or removes it. */
  setVector(cpu: number, vector: number, isr: (() => void) | undefined): void
  /**
   * A thread of its own takes the events of a processor's SINT from now on: whoever sets a flag notifies its word in the
   * event-flags page (`Atomics.notify`), wherever the root runs, and the SINT's vector is not raised. Absent where
   * processors cannot be threads.
   */
  enterThread?(cpu: number, sint: number): SignalLink
  /** The thread takes no more: flags that are set raise the SINT's vector again, those at once that are set now. */
  leaveThread?(cpu: number, sint: number): void
}
