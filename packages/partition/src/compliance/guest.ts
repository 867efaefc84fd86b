import type { GuestMemory, Hypervisor } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import {
  freebsdGuestOsId,
  HYPERCALL_FAST,
  HypercallCode,
  hypercallMsr,
  Msr,
  postMessageInput,
  scontrolMsr,
  siefpMsr,
  simpMsr,
  sintMsr,
  sintRegister,
  synicMessage,
  synicMessageHeader,
} from '@bis/hyperv-types/hypervisor'

/** The SINT that the cases use. */
export const SINT = 2
const VECTOR = 0xf3
const HYPERCALL_PFN = 0x100
const INPUT_GPA = 0x10_1000
const FIRST_SYNIC_PFN = 0x110

/** A guest reduced to its SynIC: enough to try a transport. It needs 2 MiB of memory. */
export class SynicGuest {
  readonly messages: { type: number; payload: Uint8Array }[] = []
  /** Event flags seen, in order; a flag that was set again counts again. */
  readonly events: number[] = []
  /** Called at the end of each interrupt. */
  onInterrupt: () => void = () => {}
  readonly #hypervisor: Hypervisor
  readonly #memory: GuestMemory

  constructor(hypervisor: Hypervisor) {
    this.#hypervisor = hypervisor
    this.#memory = hypervisor.memory
  }

  /** Enables hypercalls and the SynIC of a processor, and takes what arrives from then on. */
  start(cpu = 0): void {
    const { message, events } = pages(cpu)
    const write = (msr: number, value: bigint): void => this.#hypervisor.writeMsr(cpu, msr, value)
    write(Msr.GUEST_OS_ID, freebsdGuestOsId(1_401_000))
    write(Msr.HYPERCALL, hypercallMsr.encode({ enable: 1, guest_physical_address: HYPERCALL_PFN }))
    this.#hypervisor.setVector(cpu, VECTOR, () => this.#interrupt(cpu))
    write(Msr.SIMP, simpMsr.encode({ simp_enabled: 1, base_simp_gpa: message / PAGE_SIZE }))
    write(Msr.SIEFP, siefpMsr.encode({ siefp_enabled: 1, base_siefp_gpa: events / PAGE_SIZE }))
    this.setMasked(false, cpu)
    write(Msr.SCONTROL, scontrolMsr.encode({ enable: 1 }))
  }

  setMasked(masked: boolean, cpu = 0): void {
    const value = sintRegister.encode({ vector: VECTOR, auto_eoi: 1, masked: masked ? 1 : 0 })
    this.#hypervisor.writeMsr(cpu, sintMsr(SINT), value)
  }

  /** @returns the HV_STATUS. */
  post(connectionId: number, payload: Uint8Array, cpu = 0): number {
    const post = { connectionid: connectionId, message_type: 1, payload_size: payload.length, payload }
    this.#memory.write(INPUT_GPA, postMessageInput.encode(post))
    return this.#hypervisor.hypercall(cpu, HypercallCode.POST_MESSAGE, INPUT_GPA, 0)
  }

  /** @returns the HV_STATUS. */
  signal(connectionId: number, flag = 0, cpu = 0): number {
    const control = HypercallCode.SIGNAL_EVENT | HYPERCALL_FAST
    return this.#hypervisor.hypercall(cpu, control, connectionId + flag * 2 ** 32, 0)
  }

  #interrupt(cpu: number): void {
    this.#takeEvents(cpu)
    this.#takeMessage(cpu)
    this.onInterrupt()
  }

  #takeEvents(cpu: number): void {
    const page = this.#memory.bytesAt(pages(cpu).events + SINT * 256, 256)
    const words = new Int32Array(page.buffer, page.byteOffset, 64)
    for (let word = 0; word < words.length; word++) {
      const bits = Atomics.exchange(words, word, 0)
      for (let bit = 0; bit < 32; bit++) if ((bits & (1 << bit)) !== 0) this.events.push(word * 32 + bit)
    }
  }

  #takeMessage(cpu: number): void {
    const slot = this.#memory.viewAt(pages(cpu).message + SINT * synicMessage.size, synicMessage.size)
    const type = synicMessageHeader.message_type.get(slot, 0)
    if (type === 0) return
    const size = synicMessageHeader.payload_size.get(slot, 0)
    this.messages.push({ type, payload: synicMessage.payload.in(slot, 0).slice(0, size) })
    synicMessageHeader.message_type.set(slot, 0, 0)
    if (synicMessageHeader.message_flags.bit.msg_pending.get(slot, 0) === 1) {
      this.#hypervisor.writeMsr(cpu, Msr.EOM, 0n)
    }
  }
}

function pages(cpu: number): { message: number; events: number } {
  const pfn = FIRST_SYNIC_PFN + 2 * cpu
  return { message: pfn * PAGE_SIZE, events: (pfn + 1) * PAGE_SIZE }
}
