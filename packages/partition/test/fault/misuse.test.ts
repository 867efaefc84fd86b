import { GuestMemory, PAGE_SIZE } from '@bis/hyperv-types'
import {
  HvStatus,
  HYPERCALL_FAST,
  HypercallCode,
  hypercallMsr,
  Msr,
  PrivilegeHigh,
  postMessageInput,
  sintMsr,
} from '@bis/hyperv-types/hypervisor'
import { describe, expect, it } from 'vitest'
import { faultOf, recordingRoot, TestGuest } from '../guest.ts'

const GP = 'HypervisorFault general-protection'
const INPUT = 0x20_1000
const END_OF_MEMORY = 4 * 2 ** 20

function guestWithRoot(): { guest: TestGuest; root: ReturnType<typeof recordingRoot> } {
  const guest = new TestGuest()
  const root = recordingRoot()
  guest.partition.ports.connect(root)
  guest.enableHypercalls()
  return { guest, root }
}

describe('hypercall misuse', () => {
  const reps = 2 ** 32
  const cases: readonly [what: string, control: number, input: number, status: number][] = [
    ['unknown code', 0x3fff, 0, HvStatus.INVALID_HYPERCALL_CODE],
    ['code 0', 0, 0, HvStatus.INVALID_HYPERCALL_CODE],
    ['paravisor-only call', HypercallCode.SIGNAL_EVENT_DIRECT, INPUT, HvStatus.INVALID_HYPERCALL_CODE],
    ['reserved control bit 27', HypercallCode.SIGNAL_EVENT + 2 ** 27, INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
    ['nested bit', HypercallCode.SIGNAL_EVENT + 2 ** 31, INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
    ['reserved control bit 44', HypercallCode.SIGNAL_EVENT + 2 ** 44, INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
    ['rep count on a simple call', HypercallCode.SIGNAL_EVENT + reps, INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
    ['rep start on a simple call', HypercallCode.SIGNAL_EVENT + 2 ** 48, INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
    ['unexpected variable header', HypercallCode.SIGNAL_EVENT + 2 ** 17, INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
    ['rep call without reps', HypercallCode.FLUSH_VIRTUAL_ADDRESS_LIST, INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
    ['fast post', HypercallCode.POST_MESSAGE + HYPERCALL_FAST, INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
    ['misaligned input', HypercallCode.SIGNAL_EVENT, INPUT + 4, HvStatus.INVALID_ALIGNMENT],
    ['misaligned post', HypercallCode.POST_MESSAGE, INPUT + 1, HvStatus.INVALID_ALIGNMENT],
    ['post across a page', HypercallCode.POST_MESSAGE, INPUT + 4096 - 248, HvStatus.INVALID_HYPERCALL_INPUT],
    ['input beyond memory', HypercallCode.SIGNAL_EVENT, END_OF_MEMORY, HvStatus.INVALID_HYPERCALL_INPUT],
    ['input far beyond memory', HypercallCode.SIGNAL_EVENT, 2 ** 52, HvStatus.INVALID_HYPERCALL_INPUT],
    ['output beyond memory', HypercallCode.EXT_QUERY_CAPABILITIES, 0, HvStatus.INVALID_HYPERCALL_INPUT],
  ]
  for (const [what, control, input, status] of cases) {
    it(`answers ${status} to: ${what}`, () => {
      const { guest, root } = guestWithRoot()
      expect(guest.partition.hypercall(0, control, input, END_OF_MEMORY)).toBe(status)
      expect(root.messages).toEqual([])
      expect(root.events).toEqual([])
    })
  }

  it('takes an input that ends with its page', () => {
    const { guest, root } = guestWithRoot()
    const gpa = INPUT + PAGE_SIZE - postMessageInput.size
    const post = { connectionid: 1, message_type: 1, payload_size: 240, payload: new Uint8Array(240).fill(7) }
    guest.memory.write(gpa, postMessageInput.encode(post))
    expect(guest.partition.hypercall(0, HypercallCode.POST_MESSAGE, gpa, 0)).toBe(HvStatus.SUCCESS)
    expect(root.messages[0]?.payload).toEqual(new Uint8Array(240).fill(7))
  })

  it('checks connection, type and length of a message', () => {
    const { guest, root } = guestWithRoot()
    expect(guest.postMessage(1, new Uint8Array(241))).toBe(HvStatus.INVALID_PARAMETER)
    expect(guest.postMessage(1, new Uint8Array(1), 0)).toBe(HvStatus.INVALID_PARAMETER)
    expect(guest.postMessage(1, new Uint8Array(1), 0x8000_0010)).toBe(HvStatus.INVALID_PARAMETER)
    expect(guest.postMessage(0x100_0001, new Uint8Array(1))).toBe(HvStatus.INVALID_CONNECTION_ID)
    expect(guest.signalFast(0x100_0001)).toBe(HvStatus.INVALID_CONNECTION_ID)
    expect(guest.signalFast(1, 0x1_0000)).toBe(HvStatus.INVALID_HYPERCALL_INPUT)
    expect(root.messages.length + root.events.length).toBe(0)
    expect(guest.postMessage(1, new Uint8Array(0))).toBe(HvStatus.SUCCESS)
  })

  it('denies a call without its privilege', () => {
    const guest = new TestGuest({
      features: { off: { privilegesHigh: PrivilegeHigh.POST_MESSAGES | PrivilegeHigh.SIGNAL_EVENTS } },
    })
    guest.partition.ports.connect(recordingRoot())
    guest.enableHypercalls()
    expect(guest.postMessage(1, new Uint8Array(1))).toBe(HvStatus.ACCESS_DENIED)
    expect(guest.signalFast(1)).toBe(HvStatus.ACCESS_DENIED)
  })

  it('passes the status of a busy root on', () => {
    const { guest, root } = guestWithRoot()
    root.status = HvStatus.INSUFFICIENT_BUFFERS
    expect(guest.postMessage(1, new Uint8Array(1))).toBe(HvStatus.INSUFFICIENT_BUFFERS)
  })

  it('[DS-09] tells the guest and the operator of unknown connections', () => {
    const guest = new TestGuest()
    guest.enableHypercalls()
    expect(guest.postMessage(1, new Uint8Array(1))).toBe(HvStatus.INVALID_CONNECTION_ID)
    expect(guest.signalSlow(0x2001)).toBe(HvStatus.INVALID_CONNECTION_ID)
    const root = recordingRoot()
    root.status = HvStatus.INVALID_CONNECTION_ID
    const disconnect = guest.partition.ports.connect(root)
    expect(guest.signalFast(0x2001)).toBe(HvStatus.INVALID_CONNECTION_ID)
    expect(guest.partition.statistics).toMatchObject({ messagesPosted: 0, eventsSignaled: 0, unknownConnections: 3 })
    disconnect()
    expect(guest.signalFast(0x2001)).toBe(HvStatus.INVALID_CONNECTION_ID)
    expect(root.events.length).toBe(1)
  })

  it('gives whole registers back to a raw call', () => {
    const { guest } = guestWithRoot()
    const list = BigInt(HypercallCode.FLUSH_VIRTUAL_ADDRESS_LIST)
    expect(guest.partition.hypercall64(0, list | (3n << 32n), BigInt(INPUT), 0n)).toBe(3n << 32n)
    expect(guest.partition.hypercall64(0, list | (4095n << 32n), BigInt(INPUT), 0n)).toBe(3n)
    expect(guest.partition.hypercall64(0, list | (3n << 32n) | (3n << 48n), BigInt(INPUT), 0n)).toBe(3n)
    expect(guest.partition.hypercall64(0, 0x1_005dn, 2n ** 64n - 1n, 0n)).toBe(3n)
    expect(guest.partition.hypercall64(0, 0x5dn, 2n ** 64n - 8n, 0n)).toBe(3n)
  })
})

describe('hypercall page', () => {
  it('has to be enabled, after the guest has named itself', () => {
    const { partition } = new TestGuest()
    const enable = hypercallMsr.encode({ enable: 1, guest_physical_address: 0x200 })
    expect(faultOf(() => partition.hypercall(0, 0x5d, INPUT, 0))).toBe('HypervisorFault invalid-opcode')
    partition.writeMsr(0, Msr.HYPERCALL, enable)
    expect(partition.readMsr(0, Msr.HYPERCALL)).toBe(0n)
    partition.writeMsr(0, Msr.GUEST_OS_ID, 1n)
    partition.writeMsr(0, Msr.HYPERCALL, enable)
    expect(partition.readMsr(0, Msr.HYPERCALL)).toBe(enable)
    expect([...partition.memory.bytesAt(0x20_0000, 5)]).toEqual([0x0f, 0x01, 0xc1, 0xc3, 0xcc])
    partition.writeMsr(0, Msr.GUEST_OS_ID, 0n)
    expect(faultOf(() => partition.hypercall(0, 0x5d, INPUT, 0))).toBe('HypervisorFault invalid-opcode')
  })

  it('has the instruction of the other vendor on AMD', () => {
    const guest = new TestGuest({ vendor: 'amd' })
    guest.enableHypercalls()
    expect([...guest.memory.bytesAt(0x20_0000, 4)]).toEqual([0x0f, 0x01, 0xd9, 0xc3])
  })

  it('cannot be changed once locked', () => {
    const guest = new TestGuest()
    guest.enableHypercalls()
    guest.partition.writeMsr(
      0,
      Msr.HYPERCALL,
      hypercallMsr.encode({ enable: 1, locked: 1, guest_physical_address: 0x200 }),
    )
    expect(faultOf(() => guest.partition.writeMsr(0, Msr.HYPERCALL, 0n))).toBe(GP)
    guest.partition.reset()
    guest.enableHypercalls()
  })
})

describe('register misuse', () => {
  const noMemory = BigInt(END_OF_MEMORY) | 1n
  const writes: readonly [what: string, msr: number, value: bigint][] = [
    ['unknown register', 0x4000_0fff, 0n],
    ['VP_INDEX', Msr.VP_INDEX, 0n],
    ['TIME_REF_COUNT', Msr.TIME_REF_COUNT, 0n],
    ['VP_RUNTIME', Msr.VP_RUNTIME, 0n],
    ['TSC_FREQUENCY', Msr.TSC_FREQUENCY, 0n],
    ['SVERSION', Msr.SVERSION, 1n],
    ['GUEST_IDLE', Msr.GUEST_IDLE, 0n],
    ['reserved bits of HYPERCALL', Msr.HYPERCALL, 4n],
    ['reserved bits of REFERENCE_TSC', Msr.REFERENCE_TSC, 2n],
    ['HYPERCALL without memory', Msr.HYPERCALL, noMemory],
    ['REFERENCE_TSC without memory', Msr.REFERENCE_TSC, noMemory],
    ['SIMP without memory', Msr.SIMP, noMemory],
    ['SIEFP at the end of the address space', Msr.SIEFP, 2n ** 64n - 4095n],
    ['VP_ASSIST_PAGE without memory', Msr.VP_ASSIST_PAGE, noMemory],
    ['vector 15 in a SINT', sintMsr(2), 15n],
    ['SINT 16', sintMsr(16), 0x1_0000n],
    ['reserved bits of STIMER CONFIG', Msr.STIMER0_CONFIG, 1n << 13n],
    ['timer 4', Msr.STIMER0_CONFIG + 8, 0n],
    ['reserved bits of TSC_INVARIANT_CONTROL', Msr.TSC_INVARIANT_CONTROL, 2n],
    ['reserved bits of REENLIGHTENMENT_CONTROL', Msr.REENLIGHTENMENT_CONTROL, 1n << 17n],
    ['TPR above 255', Msr.TPR, 256n],
  ]
  for (const [what, msr, value] of writes) {
    it(`raises #GP for a write: ${what}`, () => {
      const { partition } = new TestGuest()
      partition.writeMsr(0, Msr.GUEST_OS_ID, 1n)
      const before = faultOf(() => partition.readMsr(0, msr)) ?? partition.readMsr(0, msr)
      expect(faultOf(() => partition.writeMsr(0, msr, value))).toBe(GP)
      expect(faultOf(() => partition.readMsr(0, msr)) ?? partition.readMsr(0, msr)).toBe(before)
      expect(partition.overlayPages).toBe(0)
    })
  }

  it('raises #GP for reads of what is not there or write-only', () => {
    const { partition } = new TestGuest()
    for (const msr of [0x4000_0fff, 0x3fff_ffff, 0x4000_0004, Msr.EOI, Msr.RESET, 0x4000_00a0, 0x4000_00b8]) {
      expect(faultOf(() => partition.readMsr(0, msr))).toBe(GP)
    }
    expect(partition.readMsr(0, Msr.EOM)).toBe(0n)
  })

  it('keeps bits of SynIC registers that it does not know', () => {
    const { partition } = new TestGuest()
    for (const [msr, value] of [
      [Msr.SCONTROL, 0xff00n],
      [Msr.SIMP, 0x0ff0n],
      [Msr.SIEFP, 0x0ff0n],
      [sintMsr(2), 0xff_0001_ff80n],
    ] as const) {
      partition.writeMsr(0, msr, value)
      expect(partition.readMsr(0, msr)).toBe(value)
    }
  })

  it('has no register of a hypervisor that is not there', () => {
    const { partition } = new TestGuest({ hypervisorPresent: false })
    expect(partition.cpuid(1).ecx >>> 31).toBe(0)
    expect(partition.cpuid(0x4000_0000)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 })
    for (const msr of Object.values(Msr)) expect(faultOf(() => partition.readMsr(0, msr))).toBe(GP)
    expect(partition.readMsr(0, 0x802)).toBe(0n)
  })

  it('refuses everything after power-off', () => {
    const guest = new TestGuest()
    const root = recordingRoot()
    guest.partition.ports.connect(root)
    guest.enableHypercalls()
    guest.enableSynic()
    guest.partition.powerOff('pulled the plug')
    guest.partition.powerOff()
    expect(root.notes).toEqual(['gone: pulled the plug'])
    expect(guest.partition.overlayPages).toBe(0)
    expect(faultOf(() => guest.signalFast(1))).toBe(GP)
    expect(guest.partition.ports.signalEvent(0, 2, 1)).toBe('gone')
    expect(guest.partition.ports.postMessage(0, 2, 1, new Uint8Array(1))).toBe('gone')
    expect(faultOf(() => guest.partition.ports.connect(recordingRoot()))).toBe('PartitionError powered-off')
  })

  it('refuses machines that cannot be', () => {
    const memory = GuestMemory.allocate(2 ** 20, { kind: 'plain' })
    for (const options of [
      { processorCount: 0 },
      { processorCount: 65, release: '2008r2' },
      { vpIndices: [1, 1] },
      { processorCount: 3, vpIndices: [0, 1] },
      { vpIndices: [-1] },
      { lowMmioMegabytes: 64 },
      { mmio: [{ base: 0, size: 4096 }] },
      { tscFrequency: 0 },
      { features: { on: { privilegesHigh: PrivilegeHigh.ACCESS_VSM } } },
    ] as const) {
      expect(faultOf(() => new TestGuest({ ...options, memory }))).toBe('PartitionError invalid-option')
    }
  })
})
