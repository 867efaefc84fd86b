import { fuzzCases, fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import { GuestMemory, ManualClock } from '@bis/hyperv-types'
import { HypercallCode, Msr, PrivilegeHigh } from '@bis/hyperv-types/hypervisor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HOST_RELEASES, Partition } from '../../src/index.ts'
import { recordingRoot } from '../guest.ts'

const MEMORY_BYTES = 16 * 4096
const FILL = 0x5a

type Step = (partition: Partition) => void

const msr = fc.oneof(
  fc.constantFrom(...Object.values(Msr)),
  fc.integer({ min: 0x4000_0000, max: 0x4000_0120 }),
  fc.constantFrom(0x10, 0x802, 0x808, 0x80b, 0x830, 0xffff_ffff, -1, 0.5),
)
const value = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.nat(18).map((pfn) => BigInt(pfn) * 4096n + 1n),
  fc.nat(300).map((vector) => BigInt(vector) | (1n << 17n)),
  fc.integer({ min: 0, max: 63 }).map((bit) => 1n << BigInt(bit)),
)
const cpu = fc.nat(1)
const control = fc.oneof(
  fc.constantFrom(...Object.values(HypercallCode)).map(BigInt),
  fc.constantFrom(...Object.values(HypercallCode)).map((code) => BigInt(code) | (1n << 16n)),
  fc
    .tuple(fc.constantFrom(...Object.values(HypercallCode)), fc.bigInt({ min: 0n, max: 2n ** 48n }))
    .map(([code, high]) => BigInt(code) | (high << 16n)),
)
const address = fc.oneof(fc.nat(MEMORY_BYTES + 8192).map(BigInt), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
const word = fc.oneof(fc.nat(20), fc.nat(4096), fc.integer({ min: 0, max: 0xffff_ffff }))

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(cpu, msr, value).map(
      ([c, m, v]): Step =>
        (p) =>
          p.writeMsr(c, m, v),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(cpu, msr).map(
      ([c, m]): Step =>
        (p) =>
          void p.readMsr(c, m),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(cpu, control, address, address).map(
      ([c, k, i, o]): Step =>
        (p) =>
          void p.hypercall64(c, k, i, o),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(word, word, word).map(
      ([v, s, f]): Step =>
        (p) =>
          void p.ports.signalEvent(v, s, f),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(word, word, word, fc.nat(250)).map(
      ([v, s, t, n]): Step =>
        (p) =>
          void p.ports.postMessage(v, s, t, new Uint8Array(n)),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Step>(
      (p) => p.injectNmi(),
      (p) => p.migrateTsc(2_000_000_000, 1n),
      (p) => p.reset(),
    ),
  },
)

describe('a hypervisor under a guest that does anything', () => {
  it(
    'raises nothing but faults, stays out of the guest’s memory, and of the other partition',
    async () => {
      const neighbour = new Partition({ memory: GuestMemory.allocate(4096, { kind: 'plain' }) })
      const neighboursRoot = recordingRoot()
      neighbour.ports.connect(neighboursRoot)
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...HOST_RELEASES),
          fc.array(step, { maxLength: 60 }),
          async (release, steps) => {
            const clock = new ManualClock()
            const memory = GuestMemory.allocate(MEMORY_BYTES, { kind: 'plain' })
            const bytes = memory.bytesAt(0, MEMORY_BYTES)
            bytes.fill(FILL)
            // The one call with an output writes to memory by design.
            const features = { off: { privilegesHigh: PrivilegeHigh.EXTENDED_HYPERCALLS } }
            const partition = new Partition({ memory, clock, release, features, vpIndices: [1, 5] })
            partition.ports.connect(recordingRoot())
            partition.writeMsr(0, Msr.GUEST_OS_ID, 1n)
            partition.writeMsr(0, Msr.HYPERCALL, 0x1001n)
            for (const run of steps) {
              try {
                run(partition)
              } catch (error) {
                if (!(error instanceof Error && error.name === 'HypervisorFault')) throw error
              }
            }
            await clock.advance(1)
            partition.reset()
            await clock.run()
            expect(bytes.every((byte) => byte === FILL)).toBe(true)
            expect(partition.overlayPages).toBe(0)
            expect(clock.pendingTimers).toBe(0)
          },
        ),
        { numRuns: fuzzRuns(400), seed: fuzzSeed },
      )
      fuzzCases('programs of guests against the hypervisor', fuzzRuns(400))
      expect(neighboursRoot.notes).toEqual([])
      expect(neighbour.memory.bytesAt(0, 4096).every((byte) => byte === 0)).toBe(true)
    },
    fuzzTimeout(30_000),
  )
})
