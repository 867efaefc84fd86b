import { Msr, Privilege, STIMER_COUNT, stimerConfigMsr, stimerCountMsr } from '@bis/hyperv-types/hypervisor'
import { commandInterrupts } from '../interrupt-command.ts'
import type { PartitionState } from '../partition-state.ts'
import type { VirtualProcessor } from '../virtual-processor.ts'
import type { Register, RegisterFile } from './register.ts'
import { checkReserved } from './register.ts'

/** The processor's own registers: the counter, and the x2APIC's, which need no enlightenment. */
const IA32_TSC = 0x10
const X2APIC_ID = 0x802
const X2APIC_TPR = 0x808
const X2APIC_EOI = 0x80b
const X2APIC_ICR = 0x830

/** Registers of every x86 processor, Hyper-V or not. */
export function addArchitecturalRegisters(
  file: RegisterFile,
  state: PartitionState,
  processors: readonly VirtualProcessor[],
): void {
  file.set(IA32_TSC, { read: () => state.time.tsc() })
  file.set(X2APIC_ID, { read: (vp) => BigInt(vp.cpu) })
  file.set(X2APIC_TPR, taskPriority)
  file.set(X2APIC_EOI, endOfInterrupt)
  file.set(
    X2APIC_ICR,
    interruptCommand(processors, (value) => Number(value >> 32n)),
  )
}

/** Synthetic registers that each processor has of its own, but for those of the SynIC. */
export function addProcessorRegisters(
  file: RegisterFile,
  state: PartitionState,
  processors: readonly VirtualProcessor[],
): void {
  const { privileges } = state.profile.features
  const has = (privilege: number): boolean => (privileges & privilege) !== 0
  if (has(Privilege.VP_INDEX)) file.set(Msr.VP_INDEX, { read: (vp) => BigInt(vp.index) })
  // A processor of this machine has nothing to do between interrupts anyway, so idling returns at once.
  if (has(Privilege.GUEST_IDLE)) file.set(Msr.GUEST_IDLE, { read: () => 0n })
  if (has(Privilege.APIC)) addApicRegisters(file, processors)
  if (has(Privilege.SYNTIMER)) addTimerRegisters(file)
}

const taskPriority: Register = {
  read: (vp) => BigInt(vp.interrupts.taskPriority),
  write: (vp, value) => {
    checkReserved('TPR', value, 0xffn)
    vp.interrupts.taskPriority = Number(value)
  },
}

const endOfInterrupt: Register = { write: (vp) => vp.interrupts.endOfInterrupt() }

function addApicRegisters(file: RegisterFile, processors: readonly VirtualProcessor[]): void {
  file.set(Msr.TPR, taskPriority)
  file.set(Msr.EOI, endOfInterrupt)
  // As the memory-mapped APIC has it: the destination in the highest byte.
  file.set(
    Msr.ICR,
    interruptCommand(processors, (value) => Number(value >> 56n)),
  )
  file.set(Msr.VP_ASSIST_PAGE, {
    read: (vp) => vp.assistPage.value,
    write: (vp, value) => vp.assistPage.write(value),
  })
}

function interruptCommand(processors: readonly VirtualProcessor[], destination: (value: bigint) => number): Register {
  return {
    read: (vp) => vp.interruptCommand,
    write: (vp, value) => {
      vp.interruptCommand = value
      commandInterrupts(processors, vp, Number(value & 0xffff_ffffn), destination(value))
    },
  }
}

function addTimerRegisters(file: RegisterFile): void {
  for (let index = 0; index < STIMER_COUNT; index++) {
    file.set(stimerConfigMsr(index), {
      read: (vp) => vp.timers[index]?.config ?? 0n,
      write: (vp, value) => {
        const timer = vp.timers[index]
        if (timer !== undefined) timer.config = value
      },
    })
    file.set(stimerCountMsr(index), {
      read: (vp) => vp.timers[index]?.count ?? 0n,
      write: (vp, value) => {
        const timer = vp.timers[index]
        if (timer !== undefined) timer.count = value
      },
    })
  }
}
