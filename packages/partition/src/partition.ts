import type { CpuidResult, Firmware, GuestMemory, Hypervisor, SignalLink, SynicPorts } from '@bis/hyperv-types'
import { HypervisorFault } from '@bis/hyperv-types'
import { MiscFeature, reenlightenmentControl, SINT_COUNT } from '@bis/hyperv-types/hypervisor'
import { cpuid } from './cpuid.ts'
import { HypercallDispatcher } from './hypercall/dispatcher.ts'
import { extendedCalls } from './hypercall/extended-calls.ts'
import { HypercallFrame } from './hypercall/hypercall-frame.ts'
import type { ProcessorVendor } from './hypercall/hypercall-page.ts'
import { portCalls } from './hypercall/port-calls.ts'
import { processorCalls } from './hypercall/processor-calls.ts'
import { InlinePorts } from './inline-ports.ts'
import { FIRST_VECTOR } from './interrupt-controller.ts'
import { addPartitionRegisters } from './msr/partition-registers.ts'
import { addArchitecturalRegisters, addProcessorRegisters } from './msr/processor-registers.ts'
import type { RegisterFile } from './msr/register.ts'
import { refuse } from './msr/register.ts'
import { addSynicRegisters } from './msr/synic-registers.ts'
import type { PartitionOptions } from './options.ts'
import { resolveOptions } from './options.ts'
import { PartitionState } from './partition-state.ts'
import { PortSpace } from './port-space.ts'
import type { ThreadReach } from './processor-threads.ts'
import { ProcessorThreads } from './processor-threads.ts'
import type { HostProfile } from './profiles/host-profile.ts'
import { VirtualProcessor } from './virtual-processor.ts'

export interface PartitionStatistics {
  /** Messages that the root took. */
  readonly messagesPosted: number
  /** Events that the root took. */
  readonly eventsSignaled: number
  /** Posts and signals to a connection that the root does not have, or while no root was connected. */
  readonly unknownConnections: number
  /** Interrupts that found no service routine. */
  readonly spuriousInterrupts: number
}

/**
 * One partition of the software hypervisor: what a guest finds in its processors (`Hypervisor`), and what a root
 * partition reaches of it (`ports`). Partitions know nothing of each other; a process may have any number of them.
 */
export class Partition implements Hypervisor {
  readonly memory: GuestMemory
  readonly processorCount: number
  readonly firmware: Firmware
  readonly profile: HostProfile
  /** I/O ports and interrupt lines: of a generation 1 machine only. */
  readonly io?: PortSpace
  /** The root's side. */
  readonly ports: SynicPorts
  readonly #ports: InlinePorts
  readonly #threads: ProcessorThreads
  readonly #state: PartitionState
  readonly #processors: readonly VirtualProcessor[]
  readonly #registers: RegisterFile = new Map()
  readonly #calls: HypercallDispatcher
  readonly #frame = new HypercallFrame()
  readonly #hypervisorPresent: boolean
  readonly #vendor: ProcessorVendor
  #poweredOff = false

  /** @throws PartitionError `invalid-option` when no machine can be like that. */
  constructor(options: PartitionOptions) {
    const resolved = resolveOptions(options)
    const { memory, clock, profile, vpIndices, vendor } = resolved
    this.memory = memory
    this.processorCount = vpIndices.length
    this.firmware = resolved.firmware
    this.profile = profile
    if (this.firmware.generation === 1) this.io = new PortSpace(clock)
    this.#hypervisorPresent = resolved.hypervisorPresent
    this.#vendor = vendor
    const state = new PartitionState({
      ...resolved,
      crashed: (report) => {
        resolved.onCrash(report)
        this.#ports.root?.guestCrashed?.(report)
      },
      resetRequested: () =>
        clock.soon(() => {
          if (this.#poweredOff) return
          this.reset()
          resolved.onReset()
        }),
    })
    this.#state = state
    const directMode = (profile.features.misc & MiscFeature.DIRECT_SYNTHETIC_TIMERS) !== 0
    const parts = { clock, time: state.time, overlays: state.overlays, directMode }
    this.#processors = vpIndices.map((index, cpu) => new VirtualProcessor(cpu, index, parts))
    this.#ports = new InlinePorts(memory, this.#processors, () => state.time.now())
    this.ports = this.#ports
    this.#threads = new ProcessorThreads({
      clock,
      processors: this.#processors,
      signaled: (connectionId, vp) => this.#ports.eventSignaled(connectionId, 0, vp),
    })
    if (resolved.hypervisorPresent) {
      addPartitionRegisters(this.#registers, state)
      addSynicRegisters(this.#registers, state)
      addProcessorRegisters(this.#registers, state, this.#processors)
    }
    addArchitecturalRegisters(this.#registers, state, this.#processors)
    const { privilegesHigh, hints } = profile.features
    this.#calls = new HypercallDispatcher(memory, [
      ...portCalls(privilegesHigh, this.#ports),
      ...processorCalls(hints, this.#processors),
      ...extendedCalls(privilegesHigh, memory),
    ])
  }

  /** Whether {@link powerOff} was called. */
  get poweredOff(): boolean {
    return this.#poweredOff
  }

  /** VP indices are below this; with holes it is more than the number of processors. */
  get vpIndexLimit(): number {
    return Math.max(...this.#processors.map(({ index }) => index)) + 1
  }

  /** Counters of this partition; they only grow. */
  get statistics(): PartitionStatistics {
    const { messagesPosted, eventsSignaled, unknownConnections } = this.#ports
    let spuriousInterrupts = 0
    for (const { interrupts } of this.#processors) spuriousInterrupts += interrupts.spurious
    return { messagesPosted, eventsSignaled, unknownConnections, spuriousInterrupts }
  }

  /** Pages of the guest that the hypervisor has laid its own over: 0 when a guest has cleaned up behind itself. */
  get overlayPages(): number {
    return this.#state.overlays.count
  }

  cpuid(leaf: number, _subleaf = 0): CpuidResult {
    const { invariantTsc } = this.#state
    const source = {
      profile: this.profile,
      vendor: this.#vendor,
      hypervisorPresent: this.#hypervisorPresent,
      invariantTsc,
    }
    return cpuid(source, leaf >>> 0)
  }

  readMsr(cpu: number, msr: number): bigint {
    const vp = this.#processor(cpu)
    const read = this.#registers.get(msr)?.read
    return read === undefined ? refuse(`register 0x${msr.toString(16)} cannot be read`) : read(vp)
  }

  writeMsr(cpu: number, msr: number, value: bigint): void {
    const vp = this.#processor(cpu)
    const write = this.#registers.get(msr)?.write
    if (write === undefined) refuse(`register 0x${msr.toString(16)} cannot be written`)
    write(vp, value === 0n ? value : BigInt.asUintN(64, value))
  }

  hypercall(cpu: number, control: number, input: number, output: number): number {
    const vp = this.#enterHypercall(cpu)
    this.#frame.setNumbers(control, input, output)
    return this.#calls.dispatch(vp, this.#frame)
  }

  /**
   * Calls the hypercall page with whole registers: RCX control, RDX input, R8 output.
   * @returns RAX: the HV_STATUS in bits 15:0, the reps completed in bits 43:32
   * @throws HypervisorFault `invalid-opcode` while the hypercall page is not enabled
   */
  hypercall64(cpu: number, control: bigint, input: bigint, output: bigint): bigint {
    const vp = this.#enterHypercall(cpu)
    this.#frame.setBigInts(control, input, output)
    const status = this.#calls.dispatch(vp, this.#frame)
    return BigInt(status) | (status === 0 ? BigInt(this.#frame.repCount) << 32n : 0n)
  }

  readTsc(cpu: number): bigint {
    this.#processor(cpu)
    return this.#state.time.tsc()
  }

  /** @throws RangeError for a vector that is neither 2 (NMI) nor 16 to 255. */
  setVector(cpu: number, vector: number, isr: (() => void) | undefined): void {
    if (!Number.isInteger(vector) || (vector !== 2 && vector < FIRST_VECTOR) || vector > 255) {
      throw new RangeError(`interrupt vector ${vector}; the NMI is 2, others are ${FIRST_VECTOR} to 255`)
    }
    this.#processor(cpu).interrupts.setRoutine(vector, isr)
  }

  /** @throws RangeError for a processor or SINT that is not there. */
  enterThread(cpu: number, sint: number): SignalLink {
    return this.#threads.enter(this.#processor(cpu), checkSint(sint))
  }

  leaveThread(cpu: number, sint: number): void {
    if (!this.#poweredOff) this.#processor(cpu).synic.leaveThread(checkSint(sint))
  }

  /**
   * Lets the root, which runs in another thread, meet processors that do without this thread: see `offerPorts`.
   * @returns also how to end it
   */
  lendToThread(): ThreadReach & { end(): void } {
    return this.#threads.lend()
  }

  /** `Debug-VM -InjectNonMaskableInterrupt`: to every processor before 2016, to processor 0 from then on. */
  injectNmi(): void {
    for (const { cpu, interrupts } of this.#processors) if (cpu === 0 || this.profile.nmiToAll) interrupts.requestNmi()
  }

  /**
   * What a live migration to other hardware does to time: the TSC goes on at another frequency and value, the reference
   * time continues, the reference TSC page changes, and a guest that asked for it is interrupted.
   */
  migrateTsc(frequency: number, tsc: bigint): void {
    this.#state.migrateTsc(frequency, tsc)
    for (const { timers } of this.#processors) for (const timer of timers) timer.restart()
    const { enabled, vector, target_vp } = reenlightenmentControl.decode(this.#state.reenlightenment)
    if (enabled === 0 || vector < FIRST_VECTOR) return
    this.#processors.find(({ index }) => index === target_vp)?.interrupts.request(vector, false)
  }

  /**
   * Back to how the machine is when it is switched on, but for its memory: every register as after power-on, no page of
   * the hypervisor over the guest's memory, nothing queued, no interrupt routine. Time goes on. The root is told.
   */
  reset(): void {
    for (const vp of this.#processors) vp.reset()
    this.#state.reset()
    this.#ports.root?.partitionReset()
  }

  /** Ends the partition; the root is told why. Nothing of it works any more. A second call does nothing. */
  powerOff(reason = 'powered off'): void {
    if (this.#poweredOff) return
    for (const vp of this.#processors) vp.reset()
    this.#state.reset()
    this.io?.clear()
    this.#poweredOff = true
    this.#ports.close(reason)
  }

  #enterHypercall(cpu: number): VirtualProcessor {
    const vp = this.#processor(cpu)
    if (this.#state.hypercallPage.page === undefined) {
      throw new HypervisorFault('invalid-opcode', 'the hypercall page is not enabled (HV_X64_MSR_HYPERCALL)')
    }
    return vp
  }

  #processor(cpu: number): VirtualProcessor {
    if (this.#poweredOff) refuse('the partition is powered off')
    const vp = this.#processors[cpu]
    if (vp === undefined) throw new RangeError(`processor ${cpu} of ${this.processorCount}`)
    return vp
  }
}

function checkSint(sint: number): number {
  if (Number.isInteger(sint) && sint >= 0 && sint < SINT_COUNT) return sint
  throw new RangeError(`SINT ${sint} of ${SINT_COUNT}`)
}
