/** How a port deals with VLANs. Source: Set-VMNetworkAdapterVlan. */
export type VlanMode =
  | { readonly mode: 'untagged' }
  /** The guest sees no tags; the switch puts its frames into VLAN `id`. */
  | { readonly mode: 'access'; readonly id: number }
  /** The guest sees tags of the allowed VLANs; `native` goes untagged. */
  | { readonly mode: 'trunk'; readonly native: number; readonly allowed: readonly number[] }
  | { readonly mode: 'isolated' | 'community'; readonly primary: number; readonly secondary: number }
  | { readonly mode: 'promiscuous'; readonly primary: number; readonly secondaries: readonly number[] }

/** Answer of a {@link VlanRule}: the frame may not pass. */
export const DROP = -1
const LAST_VLAN = 4094

/** A port's VLAN mode, compiled to look-ups. */
export class VlanRule {
  /** VLAN of an untagged frame from the port. */
  readonly #untagged: number
  /** By VLAN: 1 when tagged frames of it may come from the port and go there with their tag. */
  readonly #tagged = new Uint8Array(4096)
  /** By VLAN: 1 when its frames go to the port without tag. */
  readonly #stripped = new Uint8Array(4096)

  /** @throws RangeError for a VLAN outside 1 to 4094 */
  constructor(mode: VlanMode) {
    switch (mode.mode) {
      case 'untagged':
        this.#untagged = 0
        break
      case 'access':
        this.#untagged = checked(mode.id)
        break
      case 'trunk':
        this.#untagged = mode.native === 0 ? 0 : checked(mode.native)
        for (const id of mode.allowed) if (id !== mode.native) this.#tagged[checked(id)] = 1
        break
      case 'promiscuous':
        this.#untagged = checked(mode.primary)
        for (const id of mode.secondaries) this.#stripped[checked(id)] = 1
        break
      default:
        this.#untagged = checked(mode.secondary)
        this.#stripped[checked(mode.primary)] = 1
    }
    if (mode.mode !== 'isolated') this.#stripped[this.#untagged] = 1
  }

  /** VLAN in which a frame from the port travels, {@link DROP} when it may not. Tag 0 is no tag. */
  ingress(tag: number): number {
    if (tag === 0) return this.#untagged
    return this.#tagged[tag] === 1 ? tag : DROP
  }

  /** Tag that a frame of `vlan` has on its way to the port, 0 for none, or {@link DROP}. */
  egress(vlan: number): number {
    if (this.#stripped[vlan] === 1) return 0
    return this.#tagged[vlan] === 1 ? vlan : DROP
  }
}

function checked(id: number): number {
  if (Number.isInteger(id) && id >= 1 && id <= LAST_VLAN) return id
  throw new RangeError(`VLAN ${id}: 1 to ${LAST_VLAN}`)
}
