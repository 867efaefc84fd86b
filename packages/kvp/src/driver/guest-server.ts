import type { Channel, Device } from '@bis/hyperv-types'
import type { AutoValues } from '../daemon/pool-server.ts'
import { PoolServer } from '../daemon/pool-server.ts'
import { joinList } from '../ip/ip-information.ts'
import { MemoryPool } from '../pool/memory-pool.ts'
import type { KvpPool } from '../pool/pool.ts'
import type { KvpServer } from '../request.ts'
import { GuestNetwork } from './guest-network.ts'

export interface GuestServerOptions {
  /** Default: five pools in memory. */
  readonly pools?: readonly KvpPool[]
  /** What the guest says of its system. Addresses are filled in. */
  readonly values?: AutoValues
}

/** Longest text of a value, NUL included, in UTF-16 units. */
const VALUE_UNITS = 1024

/** Who answers for a guest that is this process: its pools, and the interfaces of its kernel. */
export function guestServer(options: GuestServerOptions = {}): (device: Device<Channel>) => KvpServer {
  const pools = options.pools ?? ([0, 1, 2, 3, 4] as const).map((number) => new MemoryPool(number))
  return (device) => {
    const network = new GuestNetwork(device)
    const autoValues = (): AutoValues => ({
      NetworkAddressIPv4: joinList(network.addresses('IPv4'), VALUE_UNITS),
      NetworkAddressIPv6: joinList(network.addresses('IPv6'), VALUE_UNITS),
      ...options.values,
    })
    return new PoolServer({ pools, autoValues, network })
  }
}
