import type { VirtualSwitch } from '@bis/host'
import { hostRelease, NetworkAdapter } from '@bis/host'
import { macAddress } from './frames.ts'

export const RELEASE = '2022'

/** NIC `n` of the bench, on this switch. */
export function networkAdapter(lan: VirtualSwitch, n: number): NetworkAdapter {
  const instanceId = `f8615163-0000-4000-8000-00000000000${n}`
  return new NetworkAdapter({ release: hostRelease(RELEASE), switch: lan, address: macAddress(n), instanceId })
}

/** Ports that nobody sends to, up to so many beside the sender's. */
export function addIdlePorts(lan: VirtualSwitch, ports: number): void {
  const client = { takesChecksums: true, takesSegments: 0x1_0000, deliver: () => {} }
  for (let n = 2; n <= ports; n++) lan.addPort({ name: `idle${n}`, kind: 'vm', address: macAddress(n + 1) }, client)
}
