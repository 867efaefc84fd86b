import type { CpuidResult } from '@bis/hyperv-types'
import { GuestMemory } from '@bis/hyperv-types'
import { MiscFeature, Privilege, PrivilegeHigh } from '@bis/hyperv-types/hypervisor'
import { HOST_RELEASES, Partition } from '@bis/partition'
import { describe, expect, it } from 'vitest'
import { discover } from './discovery.ts'

const memory = GuestMemory.allocate(16 * 4096, { kind: 'plain' })

function of(options: Partial<ConstructorParameters<typeof Partition>[0]>): (leaf: number) => CpuidResult {
  const partition = new Partition({ memory, ...options })
  return (leaf) => partition.cpuid(leaf)
}

describe('discover', () => {
  it('accepts every release of Hyper-V', () => {
    for (const release of HOST_RELEASES) expect(discover(of({ release }))).toMatchObject({ usable: true })
    expect(discover(of({ release: '2016' }))).toMatchObject({
      features: { version: '10.0.14393 [SP0]', autoEoi: true, referenceTsc: true, isolated: false, paravisor: false },
    })
  })

  it('[DS-01] gives one reason when something it cannot do without is missing', () => {
    const cases: [Parameters<typeof of>[0], string][] = [
      [{ hypervisorPresent: false }, 'not usable: the processor reports no hypervisor'],
      [{ features: { off: { privileges: Privilege.HYPERCALL } } }, 'not usable: missing the hypercall registers'],
      [{ features: { off: { privileges: Privilege.VP_INDEX } } }, 'not usable: missing the VP index register'],
      [{ features: { off: { privileges: Privilege.SYNIC } } }, 'not usable: missing the SynIC registers'],
      [{ features: { off: { privilegesHigh: PrivilegeHigh.POST_MESSAGES } } }, 'not usable: missing HvPostMessage'],
      [{ features: { off: { privilegesHigh: PrivilegeHigh.SIGNAL_EVENTS } } }, 'not usable: missing HvSignalEvent'],
    ]
    for (const [options, reason] of cases) expect(discover(of(options))).toEqual({ usable: false, reason })
    const both = { privileges: Privilege.SYNIC | Privilege.HYPERCALL }
    expect(discover(of({ features: { off: both } }))).toEqual({
      usable: false,
      reason: 'not usable: missing the hypercall registers, the SynIC registers',
    })
  })

  it('[DS-01] refuses what only looks like Hyper-V', () => {
    const real = of({})
    const other = (leaf: number, change: Partial<CpuidResult>): string | undefined => {
      const found = discover((asked) => (asked === leaf ? { ...real(asked), ...change } : real(asked)))
      return found.usable ? undefined : found.reason
    }
    expect(other(0x40000000, { ebx: 0x4b4d564b })).toBe('not usable: the hypervisor is not Hyper-V')
    expect(other(0x40000000, { eax: 0x40000004 })).toMatch(/highest CPUID leaf is 0x40000004/)
    expect(other(0x40000001, { eax: 0 })).toBe('not usable: the hypervisor lacks the Hv#1 interface')
  })

  it('[DS-22] does without every optional enlightenment', () => {
    const needed = Privilege.HYPERCALL | Privilege.VP_INDEX | Privilege.SYNIC
    const off = { privileges: ~needed, misc: MiscFeature.CRASH_MSRS, hints: -1 }
    expect(discover(of({ features: { off } }))).toMatchObject({
      usable: true,
      features: { referenceTsc: false, referenceCounter: false, syntheticTimers: false, crashRegisters: false },
    })
  })
})
