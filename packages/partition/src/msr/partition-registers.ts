import {
  hypercallMsr,
  MiscFeature,
  Msr,
  Privilege,
  reenlightenmentControl,
  referenceTscMsr,
  tscEmulationControl,
} from '@bis/hyperv-types/hypervisor'
import type { PartitionState } from '../partition-state.ts'
import type { RegisterFile } from './register.ts'
import { checkReserved, refuse } from './register.ts'

const RESET_BIT = 1n
const TSC_INVARIANT_BIT = 1n
const CRASH_PARAMETERS = [Msr.CRASH_P0, Msr.CRASH_P1, Msr.CRASH_P2, Msr.CRASH_P3, Msr.CRASH_P4] as const

/** Registers that all processors of the partition share. */
export function addPartitionRegisters(file: RegisterFile, state: PartitionState): void {
  const { privileges, misc } = state.profile.features
  const has = (privilege: number): boolean => (privileges & privilege) !== 0
  if (has(Privilege.HYPERCALL)) addHypercallRegisters(file, state)
  if (has(Privilege.RESET)) addReset(file, state)
  addTimeRegisters(file, state, has)
  if (has(Privilege.REENLIGHTENMENT)) addReenlightenmentRegisters(file, state)
  if ((misc & MiscFeature.CRASH_MSRS) !== 0) addCrashRegisters(file, state)
}

function addHypercallRegisters(file: RegisterFile, state: PartitionState): void {
  file.set(Msr.GUEST_OS_ID, {
    read: () => state.guestOsId,
    write: (_vp, value) => {
      state.guestOsId = value
      // A guest that takes its name back has no hypercall page any more.
      if (value === 0n) state.hypercallPage.write(hypercallMsr.encode({}, state.hypercallPage.value))
    },
  })
  file.set(Msr.HYPERCALL, {
    read: () => state.hypercallPage.value,
    write: (_vp, value) => {
      checkReserved('HYPERCALL', value, hypercallMsr.mask)
      if (hypercallMsr.decode(state.hypercallPage.value).locked === 1) refuse('HYPERCALL is locked')
      // Without a guest OS id the write is ignored; the guest finds out by reading back.
      if (state.guestOsId !== 0n) state.hypercallPage.write(value)
    },
  })
}

function addReset(file: RegisterFile, state: PartitionState): void {
  file.set(Msr.RESET, {
    read: () => 0n,
    write: (_vp, value) => {
      if ((value & RESET_BIT) !== 0n) state.requestReset()
    },
  })
}

function addTimeRegisters(file: RegisterFile, state: PartitionState, has: (privilege: number) => boolean): void {
  const { time } = state
  if (has(Privilege.TIME_REF_COUNT)) file.set(Msr.TIME_REF_COUNT, { read: () => time.now() })
  if (has(Privilege.VP_RUNTIME)) file.set(Msr.VP_RUNTIME, { read: () => time.now() })
  if (has(Privilege.REFERENCE_TSC)) {
    file.set(Msr.REFERENCE_TSC, {
      read: () => state.referenceTscPage.value,
      write: (_vp, value) => {
        checkReserved('REFERENCE_TSC', value, referenceTscMsr.mask)
        state.referenceTscPage.write(value)
      },
    })
  }
  if (has(Privilege.FREQUENCY)) {
    file.set(Msr.TSC_FREQUENCY, { read: () => BigInt(time.frequency) })
    file.set(Msr.APIC_FREQUENCY, { read: () => BigInt(state.apicFrequency) })
  }
  if (has(Privilege.TSC_INVARIANT)) {
    file.set(Msr.TSC_INVARIANT_CONTROL, {
      read: () => (state.invariantTsc ? TSC_INVARIANT_BIT : 0n),
      write: (_vp, value) => {
        checkReserved('TSC_INVARIANT_CONTROL', value, TSC_INVARIANT_BIT)
        state.invariantTsc = value === TSC_INVARIANT_BIT
      },
    })
  }
}

function addReenlightenmentRegisters(file: RegisterFile, state: PartitionState): void {
  file.set(Msr.REENLIGHTENMENT_CONTROL, {
    read: () => state.reenlightenment,
    write: (_vp, value) => {
      checkReserved('REENLIGHTENMENT_CONTROL', value, reenlightenmentControl.mask)
      state.reenlightenment = value
    },
  })
  file.set(Msr.TSC_EMULATION_CONTROL, {
    read: () => state.tscEmulation,
    write: (_vp, value) => {
      checkReserved('TSC_EMULATION_CONTROL', value, tscEmulationControl.mask)
      state.tscEmulation = value
    },
  })
  // The counter is never emulated here: a migration changes it at once.
  file.set(Msr.TSC_EMULATION_STATUS, { read: () => 0n, write: () => {} })
}

function addCrashRegisters(file: RegisterFile, state: PartitionState): void {
  const { crash } = state
  for (const [index, msr] of CRASH_PARAMETERS.entries()) {
    file.set(msr, {
      read: () => crash.parameter(index),
      write: (_vp, value) => crash.setParameter(index, value),
    })
  }
  file.set(Msr.CRASH_CTL, {
    read: () => crash.control,
    write: (_vp, value) => {
      crash.control = value
    },
  })
}
