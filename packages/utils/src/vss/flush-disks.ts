import type { Kernel } from '@bis/hyperv-types'
import type { VssHook } from './freezer.ts'

/** Has every disk of the guest written down what it was given, so that a copy of the images holds it. */
export function flushDisks(kernel: Kernel): VssHook {
  return {
    name: 'disks',
    async freeze() {
      const disks = kernel.disks.list().filter(({ geometry }) => !geometry.readOnly)
      await Promise.all(disks.map((disk) => disk.flush()))
    },
    thaw() {},
  }
}
