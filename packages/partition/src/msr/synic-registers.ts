import { Msr, Privilege, SINT_COUNT, SYNIC_VERSION, sintMsr } from '@bis/hyperv-types/hypervisor'
import type { PartitionState } from '../partition-state.ts'
import type { RegisterFile } from './register.ts'

/** Registers of the SynIC. Reserved bits are kept as written: guests read, change what they know, and write back. */
export function addSynicRegisters(file: RegisterFile, state: PartitionState): void {
  if ((state.profile.features.privileges & Privilege.SYNIC) === 0) return
  file.set(Msr.SCONTROL, {
    read: (vp) => vp.synic.control,
    write: (vp, value) => {
      vp.synic.control = value
    },
  })
  file.set(Msr.SVERSION, { read: () => SYNIC_VERSION })
  file.set(Msr.SIEFP, {
    read: (vp) => vp.synic.eventFlagsPage.value,
    write: (vp, value) => vp.synic.setEventFlagsPage(value),
  })
  file.set(Msr.SIMP, {
    read: (vp) => vp.synic.messagePage.value,
    write: (vp, value) => vp.synic.setMessagePage(value),
  })
  file.set(Msr.EOM, { read: () => 0n, write: (vp) => vp.synic.endOfMessage() })
  for (let sint = 0; sint < SINT_COUNT; sint++) {
    file.set(sintMsr(sint), {
      read: (vp) => vp.synic.sint(sint),
      write: (vp, value) => vp.synic.setSint(sint, value),
    })
  }
}
