import type { Kernel } from '@bis/hyperv-types'
import type { KernelInterface, ReleaseProfile } from '../releases/profile.ts'
import type { AdaptedKernel } from './adapt-kernel.ts'
import { adaptKernel } from './adapt-kernel.ts'

/** What makes a machine one of a release: options of `@bis/machine`. */
export interface GuestOptions {
  readonly ideNames: KernelInterface['ideNames']['value']
  readonly adaptKernel: <K extends Kernel>(kernel: K) => AdaptedKernel<K>
  readonly osReleaseDate: number
  readonly fetchTunables: boolean
  readonly bus: { readonly tscPage: boolean }
}

export function guestOptions({ kernel: facts }: ReleaseProfile): GuestOptions {
  return {
    ideNames: facts.ideNames.value,
    adaptKernel: (kernel) => adaptKernel(kernel, facts),
    osReleaseDate: facts.osReleaseDate.value,
    fetchTunables: facts.sysctlTunables.value,
    bus: { tscPage: facts.timeCounter.value === 'tsc-page' },
  }
}
