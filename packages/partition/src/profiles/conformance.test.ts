import {
  CpuidLeaf,
  crashControl,
  Hint,
  HvStatus,
  HypercallCode,
  hypercallMsr,
  MiscFeature,
  Msr,
  Privilege,
  PrivilegeHigh,
  reenlightenmentControl,
  sendIpi,
  sintMsr,
  sintRegister,
  stimerConfig,
  tlbFlush,
} from '@bis/hyperv-types/hypervisor'
import { describe, expect, it } from 'vitest'
import { faultOf, recordingRoot, SINT, TestGuest, VECTOR } from '../../test/guest.ts'
import type { FeatureBits } from './implemented.ts'
import { IMPLEMENTED } from './implemented.ts'
import { HOST_RELEASES, RELEASE_FACTS } from './releases.ts'

const INPUT = 0x20_1000
const GP = 'HypervisorFault general-protection'

/** Whether the feature works on this guest: what a driver that uses it would find. */
type Probe = (guest: TestGuest) => boolean | Promise<boolean>

function register(...msrs: readonly number[]): Probe {
  return ({ partition }) => {
    const faults = msrs.map((msr) => faultOf(() => partition.readMsr(0, msr)))
    expect(new Set(faults).size).toBe(1)
    return faults[0] !== GP
  }
}

/** A feature that only advises the guest: there is nothing that could be missing. */
const advice: Probe = () => true

function call(code: number, input: Uint8Array, reps = 0): Probe {
  return (guest) => {
    guest.enableHypercalls()
    guest.memory.write(INPUT, input)
    const status = guest.partition.hypercall(0, code + reps * 2 ** 32, INPUT, INPUT)
    return status === HvStatus.SUCCESS
  }
}

const flush = tlbFlush.encode({ address_space: 0n, flags: 1, processor_mask: 0n, gva_list: [0x1000n, 0x2fffn] })
const setOfAll = new Uint8Array(4096)
setOfAll[16] = 1

const probes: { readonly [K in keyof FeatureBits]-?: ReadonlyMap<number, Probe> } = {
  privileges: new Map<number, Probe>([
    [Privilege.VP_RUNTIME, register(Msr.VP_RUNTIME)],
    [Privilege.TIME_REF_COUNT, register(Msr.TIME_REF_COUNT)],
    [Privilege.SYNIC, register(Msr.SCONTROL, Msr.SVERSION, Msr.SIEFP, Msr.SIMP, Msr.EOM, sintMsr(0), sintMsr(15))],
    [Privilege.SYNTIMER, register(Msr.STIMER0_CONFIG, Msr.STIMER0_COUNT, Msr.STIMER0_COUNT + 6)],
    [Privilege.APIC, register(Msr.TPR, Msr.ICR, Msr.VP_ASSIST_PAGE)],
    [Privilege.HYPERCALL, register(Msr.GUEST_OS_ID, Msr.HYPERCALL)],
    [Privilege.VP_INDEX, register(Msr.VP_INDEX)],
    [Privilege.RESET, ({ partition }) => faultOf(() => partition.writeMsr(0, Msr.RESET, 1n)) === undefined],
    [Privilege.REFERENCE_TSC, register(Msr.REFERENCE_TSC)],
    [Privilege.GUEST_IDLE, register(Msr.GUEST_IDLE)],
    [Privilege.FREQUENCY, register(Msr.TSC_FREQUENCY, Msr.APIC_FREQUENCY)],
    [Privilege.REENLIGHTENMENT, reenlightens],
    [Privilege.TSC_INVARIANT, showsInvariantTsc],
  ]),
  privilegesHigh: new Map<number, Probe>([
    [PrivilegeHigh.POST_MESSAGES, posts],
    [PrivilegeHigh.SIGNAL_EVENTS, signals],
    [PrivilegeHigh.EXTENDED_GVA_RANGES, advice],
    [PrivilegeHigh.EXTENDED_HYPERCALLS, call(HypercallCode.EXT_QUERY_CAPABILITIES, new Uint8Array(0))],
  ]),
  misc: new Map<number, Probe>([
    [MiscFeature.GUEST_IDLE, register(Msr.GUEST_IDLE)],
    [MiscFeature.FREQUENCY_MSRS, register(Msr.TSC_FREQUENCY, Msr.APIC_FREQUENCY)],
    [MiscFeature.CRASH_MSRS, reportsCrash],
    [MiscFeature.EXTENDED_GVA_FLUSH_LIST, advice],
    [MiscFeature.SINT_POLLING, polls],
    [MiscFeature.HYPERCALL_MSR_LOCK, locks],
    [MiscFeature.DIRECT_SYNTHETIC_TIMERS, firesDirectly],
  ]),
  hints: new Map<number, Probe>([
    [Hint.HYPERCALL_FOR_LOCAL_FLUSH, call(HypercallCode.FLUSH_VIRTUAL_ADDRESS_SPACE, flush)],
    [Hint.HYPERCALL_FOR_REMOTE_FLUSH, call(HypercallCode.FLUSH_VIRTUAL_ADDRESS_LIST, flush, 2)],
    [Hint.APIC_MSRS, register(Msr.TPR, Msr.ICR)],
    [Hint.RESET_MSR, advice],
    [Hint.RELAXED_TIMING, advice],
    [Hint.DEPRECATE_AUTO_EOI, worksWithoutAutoEoi],
    [Hint.CLUSTER_IPI, sendsInterrupts],
    [Hint.EX_PROCESSOR_MASKS, call(HypercallCode.FLUSH_VIRTUAL_ADDRESS_SPACE_EX, setOfAll)],
    [Hint.DIRECT_LOCAL_FLUSH_ENTIRE, advice],
    [Hint.NO_NONARCHITECTURAL_CORE_SHARING, advice],
    [Hint.X2APIC, register(0x802, 0x808, 0x830)],
    [Hint.RESTORE_TIME_ON_RESUME, advice],
  ]),
}

/** Features that others depend on: what else has to go with them for their absence to show. */
const together: { readonly [K in keyof FeatureBits]?: Readonly<Record<number, FeatureBits>> } = {
  misc: {
    [MiscFeature.GUEST_IDLE]: { privileges: Privilege.GUEST_IDLE },
    [MiscFeature.FREQUENCY_MSRS]: { privileges: Privilege.FREQUENCY },
  },
  hints: {
    [Hint.APIC_MSRS]: { privileges: Privilege.APIC },
    [Hint.HYPERCALL_FOR_REMOTE_FLUSH]: { hints: Hint.HYPERCALL_FOR_REMOTE_FLUSH | Hint.HYPERCALL_FOR_LOCAL_FLUSH },
    [Hint.HYPERCALL_FOR_LOCAL_FLUSH]: { hints: Hint.HYPERCALL_FOR_REMOTE_FLUSH | Hint.HYPERCALL_FOR_LOCAL_FLUSH },
  },
}

/** Works whether it is announced or not. */
const ALWAYS: readonly Probe[] = [advice, polls, locks, worksWithoutAutoEoi, probes.hints.get(Hint.X2APIC) ?? advice]

const registers = Object.keys(probes) as (keyof FeatureBits)[]

describe('[DS-22] every enlightenment that a guest can be told of', () => {
  it('has a probe here', () => {
    for (const name of registers) {
      expect([...probes[name].keys()].reduce((sum, bit) => sum | bit, 0) >>> 0).toBe(IMPLEMENTED[name] >>> 0)
    }
  })

  for (const release of HOST_RELEASES) {
    it(`works where ${release} tells of it`, async () => {
      for (const name of registers) {
        for (const [bit, probe] of probes[name]) {
          const guest = new TestGuest({ release, processorCount: 2 })
          if ((guest.partition.profile.features[name] & bit) === 0) continue
          expect(await probe(guest), `${name} bit ${Math.log2(bit >>> 0)}`).toBe(true)
        }
      }
    })
  }

  it('can be turned off alone, and is gone then', async () => {
    for (const name of registers) {
      for (const [bit, probe] of probes[name]) {
        const off = { [name]: bit, ...together[name]?.[bit] }
        const guest = new TestGuest({ release: '2025', processorCount: 2, features: { off } })
        expect(guest.partition.profile.features[name] & bit).toBe(0)
        if (ALWAYS.includes(probe)) continue
        expect(await probe(guest), `${name} bit ${Math.log2(bit >>> 0)}`).toBe(false)
      }
    }
  })

  it('leaves VMBus usable with all that it does not need turned off', async () => {
    const needed = Privilege.SYNIC | Privilege.HYPERCALL | Privilege.VP_INDEX
    const off = {
      privileges: ~needed,
      privilegesHigh: ~(PrivilegeHigh.POST_MESSAGES | PrivilegeHigh.SIGNAL_EVENTS),
      misc: -1,
      hints: -1,
    }
    const guest = new TestGuest({ features: { off } })
    expect(guest.partition.cpuid(CpuidLeaf.PRIVILEGES)).toMatchObject({ eax: needed, ebx: 0x30, edx: 0 })
    expect((await posts(guest)) && (await worksWithoutAutoEoi(guest))).toBe(true)
  })
})

describe('CPUID of a release', () => {
  it('is what the release reports, less what does not exist here', () => {
    for (const release of HOST_RELEASES) {
      const { partition } = new TestGuest({ release })
      const facts = RELEASE_FACTS[release]
      const privileges = partition.cpuid(CpuidLeaf.PRIVILEGES)
      expect(privileges.eax).toBe(facts.privileges.value)
      expect(privileges.ebx & ~facts.privilegesHigh.value).toBe(0)
      expect(privileges.ebx & 0x30).toBe(0x30)
      expect(privileges.edx & ~facts.misc.value).toBe(0)
      expect(partition.cpuid(CpuidLeaf.RECOMMENDATIONS).eax & ~facts.hints.value).toBe(0)
      const [major, minor, build] = facts.version
      expect(partition.cpuid(CpuidLeaf.VERSION)).toMatchObject({ eax: build, ebx: major * 65_536 + minor })
      expect(partition.cpuid(CpuidLeaf.VENDOR).eax).toBe(facts.highestLeaf.value)
      expect(partition.cpuid(CpuidLeaf.INTERFACE).eax).toBe(0x3123_7648)
      expect(partition.cpuid(1).ecx >>> 31).toBe(1)
    }
  })

  it('names the vendor as every guest compares it', () => {
    const { ebx, ecx, edx } = new TestGuest().partition.cpuid(CpuidLeaf.VENDOR)
    const text = new TextDecoder().decode(new Uint8Array(Uint32Array.of(ebx, ecx, edx).buffer))
    expect(text).toBe('Microsoft Hv')
  })

  it('reads as zero where there is no leaf', () => {
    const { partition } = new TestGuest({ release: '2008r2' })
    for (const leaf of [0x4000_0006, 0x4000_000a, 0x4000_0100, 0x8000_0100, 0x1234]) {
      expect(partition.cpuid(leaf)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 })
    }
  })
})

describe('NMI', () => {
  it('reaches every processor before 2016, and processor 0 from then on', async () => {
    for (const release of HOST_RELEASES) {
      const guest = new TestGuest({ release, processorCount: 3 })
      const taken: number[] = []
      for (let cpu = 0; cpu < 3; cpu++) guest.partition.setVector(cpu, 2, () => taken.push(cpu))
      guest.partition.writeMsr(0, Msr.TPR, 0xffn)
      guest.partition.injectNmi()
      await guest.clock.run()
      expect(taken).toEqual(['2008r2', '2012', '2012r2'].includes(release) ? [0, 1, 2] : [0])
    }
  })
})

async function reenlightens(guest: TestGuest): Promise<boolean> {
  const { partition } = guest
  const control = reenlightenmentControl.encode({ vector: 0xee, enabled: 1, target_vp: 1 })
  if (faultOf(() => partition.writeMsr(0, Msr.REENLIGHTENMENT_CONTROL, control)) !== undefined) return false
  let interrupts = 0
  partition.setVector(1, 0xee, () => interrupts++)
  partition.migrateTsc(3_000_000_000, 0n)
  await guest.clock.run()
  return interrupts === 1
}

function showsInvariantTsc({ partition }: TestGuest): boolean {
  expect(partition.cpuid(0x8000_0007).edx).toBe(0)
  if (faultOf(() => partition.writeMsr(0, Msr.TSC_INVARIANT_CONTROL, 1n)) !== undefined) return false
  return partition.cpuid(0x8000_0007).edx === 0x100
}

function posts(guest: TestGuest): boolean {
  guest.partition.ports.connect(recordingRoot())
  guest.enableHypercalls()
  return guest.postMessage(1, new Uint8Array(8)) === HvStatus.SUCCESS
}

function signals(guest: TestGuest): boolean {
  guest.partition.ports.connect(recordingRoot())
  guest.enableHypercalls()
  return guest.signalFast(0x2001) === HvStatus.SUCCESS
}

function reportsCrash(guest: TestGuest): boolean {
  const { partition } = guest
  const root = recordingRoot()
  partition.ports.connect(root)
  if (faultOf(() => partition.writeMsr(0, Msr.CRASH_P0, 11n)) !== undefined) return false
  partition.writeMsr(0, Msr.CRASH_CTL, crashControl.encode({ crash_notify: 0, crash_message: 1 }))
  expect(root.notes).toEqual([])
  partition.writeMsr(0, Msr.CRASH_CTL, crashControl.encode({ crash_notify: 1 }))
  guest.memory.write(0x30_0000, new TextEncoder().encode('panic: out of coffee\0rest'))
  partition.writeMsr(0, Msr.CRASH_P3, 0x30_0000n)
  partition.writeMsr(0, Msr.CRASH_P4, 4096n)
  partition.writeMsr(0, Msr.CRASH_CTL, crashControl.encode({ crash_notify: 1, crash_message: 1 }))
  partition.writeMsr(0, Msr.CRASH_P3, 2n ** 63n)
  partition.writeMsr(0, Msr.CRASH_CTL, crashControl.encode({ crash_notify: 1, crash_message: 1 }))
  expect(root.notes).toEqual(['crash: 11,0,0,0,0', 'crash: panic: out of coffee', `crash: 11,0,0,${2n ** 63n},4096`])
  return crashControl.decode(partition.readMsr(0, Msr.CRASH_CTL)).crash_notify === 1
}

async function polls(guest: TestGuest): Promise<boolean> {
  guest.enableSynic()
  guest.partition.writeMsr(0, sintMsr(SINT), sintRegister.encode({ vector: VECTOR, polling: 1 }))
  guest.partition.ports.signalEvent(0, SINT, 3)
  await guest.clock.run()
  return guest.eventFlags().length === 1 && guest.interrupts.length === 0
}

function locks({ partition }: TestGuest): boolean {
  partition.writeMsr(0, Msr.GUEST_OS_ID, 1n)
  partition.writeMsr(0, Msr.HYPERCALL, hypercallMsr.encode({ enable: 1, locked: 1, guest_physical_address: 0x200 }))
  return faultOf(() => partition.writeMsr(0, Msr.HYPERCALL, 0n)) === GP
}

async function firesDirectly(guest: TestGuest): Promise<boolean> {
  let ticks = 0
  guest.partition.setVector(0, 0xed, () => ticks++)
  const config = stimerConfig.encode({ auto_enable: 1, direct_mode: 1, apic_vector: 0xed })
  if (faultOf(() => guest.partition.writeMsr(0, Msr.STIMER0_CONFIG, config)) !== undefined) return false
  guest.partition.writeMsr(0, Msr.STIMER0_COUNT, 10_000n)
  await guest.clock.advance(2)
  return ticks === 1
}

async function worksWithoutAutoEoi(guest: TestGuest): Promise<boolean> {
  guest.enableSynic(0, SINT, 0)
  guest.partition.ports.signalEvent(0, SINT, 1)
  await guest.clock.run()
  guest.partition.writeMsr(0, 0x80b, 0n)
  guest.partition.ports.signalEvent(0, SINT, 2)
  await guest.clock.run()
  return guest.interrupts.length === 2
}

async function sendsInterrupts(guest: TestGuest): Promise<boolean> {
  let interrupts = 0
  guest.partition.setVector(1, 0x40, () => interrupts++)
  const sent = call(HypercallCode.SEND_SYNTHETIC_CLUSTER_IPI, sendIpi.encode({ vector: 0x40, cpu_mask: 2n }))(guest)
  await guest.clock.run()
  return sent === true && interrupts === 1
}
