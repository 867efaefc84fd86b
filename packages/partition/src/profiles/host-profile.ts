import type { CpuidResult } from '@bis/hyperv-types'
import { CpuidLeaf, HV_INTERFACE, HV_VENDOR } from '@bis/hyperv-types/hypervisor'
import { PartitionError } from '../errors.ts'
import type { FeatureBits } from './implemented.ts'
import { IMPLEMENTED } from './implemented.ts'
import type { HostReleaseName } from './releases.ts'
import { RELEASE_FACTS } from './releases.ts'

/** Single enlightenments to turn off, and to turn on where the release does not report them. Off wins. */
export interface FeatureSwitches {
  readonly off?: FeatureBits
  readonly on?: FeatureBits
}

/** The hypervisor as its guest finds it. */
export interface HostProfile {
  readonly release: HostReleaseName
  /** `Windows Server 2012 R2`. */
  readonly title: string
  /** What the partition may use and is told, after the switches. */
  readonly features: Required<FeatureBits>
  /** Whether an injected NMI reaches every processor, or processor 0 only. */
  readonly nmiToAll: boolean
  readonly maxVirtualProcessors: number
  /** CPUID leaves 0x40000000 and up. */
  readonly leaves: ReadonlyMap<number, CpuidResult>
}

/**
 * The profile of a release.
 * @throws PartitionError `invalid-option` when a feature is turned on that this hypervisor does not have
 */
export function hostProfile(release: HostReleaseName, switches: FeatureSwitches = {}): HostProfile {
  const facts = RELEASE_FACTS[release]
  const features: Required<FeatureBits> = {
    privileges: select('privileges', facts.privileges.value, switches),
    privilegesHigh: select('privilegesHigh', facts.privilegesHigh.value, switches),
    misc: select('misc', facts.misc.value, switches),
    hints: select('hints', facts.hints.value, switches),
  }
  const [major, minor, build, sp, branch, service] = facts.version
  const leaves = new Map<number, CpuidResult>([
    [CpuidLeaf.VENDOR, { eax: facts.highestLeaf.value, ...HV_VENDOR }],
    [CpuidLeaf.INTERFACE, registers(HV_INTERFACE)],
    [CpuidLeaf.VERSION, registers(build, major * 0x1_0000 + minor, sp, branch * 0x100_0000 + service)],
    [
      CpuidLeaf.PRIVILEGES,
      registers(features.privileges, features.privilegesHigh, facts.powerManagement.value, features.misc),
    ],
    [CpuidLeaf.RECOMMENDATIONS, registers(features.hints, facts.spinCount.value, facts.physicalAddressBits.value)],
    [
      CpuidLeaf.LIMITS,
      registers(facts.maxVirtualProcessors.value, facts.maxLogicalProcessors.value, facts.maxInterruptVectors.value),
    ],
    [CpuidLeaf.HARDWARE_FEATURES, registers(facts.hardware.value)],
  ])
  for (const leaf of leaves.keys()) if (leaf > facts.highestLeaf.value) leaves.delete(leaf)
  const { title, nmiToAll } = facts
  return { release, title, features, nmiToAll, maxVirtualProcessors: facts.maxVirtualProcessors.value, leaves }
}

function select(register: keyof FeatureBits, reported: number, { off = {}, on = {} }: FeatureSwitches): number {
  const wanted = on[register] ?? 0
  const missing = wanted & ~IMPLEMENTED[register]
  if (missing !== 0) {
    throw new PartitionError('invalid-option', `${register} 0x${(missing >>> 0).toString(16)} is not implemented`)
  }
  return (((reported & IMPLEMENTED[register]) | wanted) & ~(off[register] ?? 0)) >>> 0
}

function registers(eax: number, ebx = 0, ecx = 0, edx = 0): CpuidResult {
  return { eax, ebx, ecx, edx }
}
