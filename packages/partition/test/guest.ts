import type { SynicRoot } from '@bis/hyperv-types'
import { GuestMemory, ManualClock, PAGE_SIZE } from '@bis/hyperv-types'
import {
  freebsdGuestOsId,
  HYPERCALL_FAST,
  HypercallCode,
  hypercallMsr,
  Msr,
  postMessageInput,
  scontrolMsr,
  siefpMsr,
  signalEventInput,
  simpMsr,
  sintMsr,
  sintRegister,
  synicMessage,
  synicMessageHeader,
} from '@bis/hyperv-types/hypervisor'
import type { PartitionOptions } from '../src/index.ts'
import { Partition } from '../src/index.ts'

export const SINT = 2
export const VECTOR = 0xf3

const HYPERCALL_PFN = 0x200
const INPUT_GPA = 0x20_1000
const FIRST_SYNIC_PFN = 0x210

/** What a root saw, in order. */
export interface RootRecord extends SynicRoot {
  readonly messages: { connectionId: number; type: number; payload: Uint8Array; vp: number }[]
  readonly events: { connectionId: number; flag: number; vp: number }[]
  readonly notes: string[]
  status: number
}

export function recordingRoot(): RootRecord {
  return {
    messages: [],
    events: [],
    notes: [],
    status: 0,
    messagePosted(connectionId, type, payload, vp) {
      this.messages.push({ connectionId, type, payload: payload.slice(), vp })
      return this.status
    },
    eventSignaled(connectionId, flag, vp) {
      this.events.push({ connectionId, flag, vp })
      return this.status
    },
    partitionReset() {
      this.notes.push('reset')
    },
    guestCrashed(report) {
      this.notes.push(`crash: ${report.message ?? report.parameters.join()}`)
    },
    partitionGone(reason) {
      this.notes.push(`gone: ${reason}`)
    },
  }
}

/** A guest reduced to what the hypervisor sees of it, on a clock that stands still. */
export class TestGuest {
  readonly clock = new ManualClock()
  readonly memory: GuestMemory
  readonly partition: Partition
  /** Interrupts taken, as cpu:vector. */
  readonly interrupts: string[] = []

  constructor(options: Omit<PartitionOptions, 'memory' | 'clock'> & { memory?: GuestMemory } = {}) {
    this.memory = options.memory ?? GuestMemory.allocate(4 * 2 ** 20, { kind: 'shared' })
    this.partition = new Partition({ ...options, memory: this.memory, clock: this.clock })
  }

  /** Names itself and enables the hypercall page. */
  enableHypercalls(): void {
    this.partition.writeMsr(0, Msr.GUEST_OS_ID, freebsdGuestOsId(1_401_000))
    this.partition.writeMsr(0, Msr.HYPERCALL, hypercallMsr.encode({ enable: 1, guest_physical_address: HYPERCALL_PFN }))
  }

  synicPages(cpu: number): { message: number; events: number } {
    const pfn = FIRST_SYNIC_PFN + 2 * cpu
    return { message: pfn * PAGE_SIZE, events: (pfn + 1) * PAGE_SIZE }
  }

  /** Sets up message page, event-flags page and one SINT, and counts its interrupts. */
  enableSynic(cpu = 0, sint = SINT, autoEoi = 1): void {
    const { message, events } = this.synicPages(cpu)
    const { partition } = this
    partition.setVector(cpu, VECTOR, () => this.interrupts.push(`${cpu}:${VECTOR}`))
    partition.writeMsr(cpu, Msr.SIMP, simpMsr.encode({ simp_enabled: 1, base_simp_gpa: message / PAGE_SIZE }))
    partition.writeMsr(cpu, Msr.SIEFP, siefpMsr.encode({ siefp_enabled: 1, base_siefp_gpa: events / PAGE_SIZE }))
    partition.writeMsr(cpu, sintMsr(sint), sintRegister.encode({ vector: VECTOR, auto_eoi: autoEoi }))
    partition.writeMsr(cpu, Msr.SCONTROL, scontrolMsr.encode({ enable: 1 }))
  }

  mask(masked: boolean, cpu = 0, sint = SINT): void {
    const value = sintRegister.encode({ vector: VECTOR, auto_eoi: 1, masked: masked ? 1 : 0 })
    this.partition.writeMsr(cpu, sintMsr(sint), value)
  }

  /** Takes the message out of a slot as a guest must, or undefined when there is none. */
  takeMessage(cpu = 0, sint = SINT): { type: number; payload: Uint8Array } | undefined {
    const slot = this.memory.viewAt(this.synicPages(cpu).message + sint * synicMessage.size, synicMessage.size)
    const type = synicMessageHeader.message_type.get(slot, 0)
    if (type === 0) return undefined
    const size = synicMessageHeader.payload_size.get(slot, 0)
    const payload = synicMessage.payload.in(slot, 0).slice(0, size)
    synicMessageHeader.message_type.set(slot, 0, 0)
    if (synicMessageHeader.message_flags.bit.msg_pending.get(slot, 0) === 1) this.partition.writeMsr(cpu, Msr.EOM, 0n)
    return { type, payload }
  }

  eventFlags(cpu = 0, sint = SINT): number[] {
    const page = this.memory.bytesAt(this.synicPages(cpu).events + sint * 256, 256)
    const flags: number[] = []
    for (let flag = 0; flag < 2048; flag++) if (((page[flag >> 3] ?? 0) & (1 << (flag & 7))) !== 0) flags.push(flag)
    return flags
  }

  postMessage(connectionId: number, payload: Uint8Array, type = 1, cpu = 0): number {
    const input = postMessageInput.encode({
      connectionid: connectionId,
      message_type: type,
      payload_size: payload.length,
      payload: payload.subarray(0, 240),
    })
    this.memory.write(INPUT_GPA, input)
    return this.partition.hypercall(cpu, HypercallCode.POST_MESSAGE, INPUT_GPA, 0)
  }

  signalFast(connectionId: number, flag = 0, cpu = 0): number {
    const control = HypercallCode.SIGNAL_EVENT | HYPERCALL_FAST
    return this.partition.hypercall(cpu, control, connectionId + flag * 2 ** 32, 0)
  }

  signalSlow(connectionId: number, flag = 0, cpu = 0): number {
    this.memory.write(INPUT_GPA, signalEventInput.encode({ connectionid: connectionId, flag_number: flag }))
    return this.partition.hypercall(cpu, HypercallCode.SIGNAL_EVENT, INPUT_GPA, 0)
  }
}

/** The code of the error that a call throws, or undefined when it returns. */
export function faultOf(call: () => unknown): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? `${error.name} ${String(error.code)}` : String(error)
  }
}
