import { macKey } from '@bis/hyperv-types/ethernet'
import type { LinkFaults } from './faults.ts'
import type { VlanMode } from './vlan.ts'

/** What an administrator sets for a port, while it is in use too. Names as in Set-VMNetworkAdapter. */
export interface PortSettings {
  /** Default untagged. */
  readonly vlan?: VlanMode
  /** Other source addresses than the assigned one may be used, and unknown unicast arrives. Default false. */
  readonly macSpoofing?: boolean
  /** Drop what only DHCP servers send. Default false. */
  readonly dhcpGuard?: boolean
  /** Drop what only routers send. Default false. */
  readonly routerGuard?: boolean
  /** Keep the sender's 802.1p priority. Default false: it becomes 0. */
  readonly priorityTag?: boolean
  /** `destination` gets copies of all that `source` ports send and receive. */
  readonly mirror?: 'none' | 'source' | 'destination'
  /** Limit of what the port sends, in bit/s; 0 for none. */
  readonly maximumBandwidth?: number
  /** Broadcast, multicast and unknown unicast frames in a second that pass; 0 for no limit. */
  readonly stormLimit?: number
  /** What goes wrong on the way to the port. */
  readonly faults?: LinkFaults
  /** The cable: false drops everything both ways. Default true. */
  readonly connected?: boolean
}

export interface PortOptions extends PortSettings {
  readonly name: string
  /** `vm` ports have an assigned address; `host` and `external` ports may use any and get unknown unicast. */
  readonly kind: 'vm' | 'host' | 'external'
  /** Assigned address of a `vm` port. */
  readonly address?: Uint8Array
}

/** Addresses belong to one port only; a switch refuses a second with the same. */
export function addressKey(options: PortOptions): number {
  return options.address === undefined ? -1 : macKey(options.address, 0)
}
