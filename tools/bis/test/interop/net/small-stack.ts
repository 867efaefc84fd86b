import type { EthernetInterface } from '@bis/hyperv-types'
import { foldChecksum, sendFrame, sumWords } from '@bis/hyperv-types/ethernet'

/** As much of ARP, IPv4, ICMP, UDP and DHCP as a test needs to be somebody on a network. */

export type Ipv4 = readonly [number, number, number, number]

const BROADCAST = Uint8Array.of(255, 255, 255, 255, 255, 255)
const ANYONE: Ipv4 = [0, 0, 0, 0]
const EVERYONE: Ipv4 = [255, 255, 255, 255]
const ETHERTYPE_IPV4 = 0x800
const ETHERTYPE_ARP = 0x806
const ICMP = 1
const UDP = 17
const DHCP_CLIENT = 68
const DHCP_SERVER = 67
const DHCP_MAGIC = [0x63, 0x82, 0x53, 0x63]
const DhcpType = { discover: 1, offer: 2, request: 3, acknowledge: 5 } as const
const DhcpOption = { mask: 1, router: 3, requested: 50, lease: 51, type: 53, server: 54, parameters: 55 } as const
const PATIENCE_MS = 10_000

/** What a DHCP server gave. */
export interface Lease {
  readonly address: Ipv4
  readonly mask: Ipv4
  readonly router: Ipv4
  readonly server: Ipv4
  readonly seconds: number
}

export interface Datagram {
  readonly from: Ipv4
  readonly fromPort: number
  readonly port: number
  readonly payload: Uint8Array
}

/** A station on the guest's interface. Answers ARP requests for its address and pings to it. */
export class SmallStack {
  address: Ipv4 = ANYONE
  /** ARP requests and pings that were answered. */
  readonly answered = { arp: 0, ping: 0 }
  readonly #network: EthernetInterface
  readonly #neighbours = new Map<string, Uint8Array>()
  readonly #waiting = new Set<() => void>()
  readonly #datagrams: Datagram[] = []
  readonly #echoes: { readonly from: Ipv4; readonly sequence: number; readonly payload: Uint8Array }[] = []

  constructor(network: EthernetInterface) {
    this.#network = network
    network.receive((frames, count) => {
      for (let i = 0; i < count; i++) {
        const frame = frames[i]
        if (frame !== undefined) this.#frame(frame.bytes.slice(frame.offset, frame.offset + frame.length))
      }
      for (const look of this.#waiting) look()
    })
  }

  /** DISCOVER, OFFER, REQUEST, ACK (RFC 2131). Takes the address. */
  async lease(): Promise<Lease> {
    const transaction = Math.floor(Math.random() * 2 ** 32)
    await this.#sendDhcp(transaction, [[DhcpOption.type, [DhcpType.discover]]])
    const offer = await this.#dhcpAnswer(transaction, DhcpType.offer)
    await this.#sendDhcp(transaction, [
      [DhcpOption.type, [DhcpType.request]],
      [DhcpOption.requested, offer.address],
      [DhcpOption.server, offer.server],
    ])
    const lease = await this.#dhcpAnswer(transaction, DhcpType.acknowledge)
    this.address = lease.address
    return lease
  }

  /** @returns the payload of the reply to an echo request */
  async ping(to: Ipv4, sequence: number, payload: Uint8Array): Promise<Uint8Array> {
    const message = new Uint8Array(8 + payload.length)
    message.set([8, 0, 0, 0, 0x42, 0x42, sequence >> 8, sequence])
    message.set(payload, 8)
    await this.#sendIp(await this.#resolve(to), to, ICMP, withChecksum(message, 2))
    return await this.#until(
      () => {
        const echo = this.#echoes.find((one) => same(one.from, to) && one.sequence === sequence)
        return echo?.payload
      },
      `a reply of ${to.join('.')}`,
    )
  }

  /** Waits for a datagram to a port of ours. */
  datagram(port: number): Promise<Datagram> {
    return this.#until(() => {
      const at = this.#datagrams.findIndex((one) => one.port === port)
      return at < 0 ? undefined : this.#datagrams.splice(at, 1)[0]
    }, `a datagram to port ${port}`)
  }

  async sendDatagram(to: Ipv4, port: number, fromPort: number, payload: Uint8Array): Promise<void> {
    await this.#sendUdp(await this.#resolve(to), to, port, fromPort, payload)
  }

  #frame(frame: Uint8Array): void {
    const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0)
    if (type === ETHERTYPE_ARP) this.#arp(frame.subarray(14))
    if (type === ETHERTYPE_IPV4) this.#ip(frame)
  }

  #arp(packet: Uint8Array): void {
    const sender = ipAt(packet, 14)
    this.#neighbours.set(sender.join('.'), packet.slice(8, 14))
    if (packet[7] !== 1 || !same(ipAt(packet, 24), this.address)) return
    this.answered.arp++
    void this.#sendArp(2, packet.slice(8, 14), sender)
  }

  #ip(frame: Uint8Array): void {
    const ip = frame.subarray(14)
    const headerBytes = ((ip[0] ?? 0) & 15) * 4
    const total = ((ip[2] ?? 0) << 8) | (ip[3] ?? 0)
    if (foldChecksum(sumWords(ip, 0, headerBytes, 0)) !== 0) throw new Error('an IP header with a wrong checksum')
    const body = ip.slice(headerBytes, total)
    const from = ipAt(ip, 12)
    if (ip[9] === ICMP) this.#icmp(frame, from, body)
    if (ip[9] !== UDP) return
    const view = new DataView(body.buffer)
    this.#datagrams.push({ from, fromPort: view.getUint16(0), port: view.getUint16(2), payload: body.subarray(8) })
  }

  #icmp(frame: Uint8Array, from: Ipv4, body: Uint8Array): void {
    if (foldChecksum(sumWords(body, 0, body.length, 0)) !== 0) throw new Error('an ICMP message with a wrong checksum')
    if (body[0] === 0) {
      this.#echoes.push({ from, sequence: ((body[6] ?? 0) << 8) | (body[7] ?? 0), payload: body.subarray(8) })
    } else if (body[0] === 8 && same(ipAt(frame, 30), this.address)) {
      this.answered.ping++
      body[0] = 0
      void this.#sendIp(frame.slice(6, 12), from, ICMP, withChecksum(body, 2))
    }
  }

  async #resolve(to: Ipv4): Promise<Uint8Array> {
    const find = (): Uint8Array | undefined => this.#neighbours.get(to.join('.'))
    if (find() === undefined) await this.#sendArp(1, BROADCAST, to)
    return this.#until(find, `the address of ${to.join('.')}`)
  }

  async #sendArp(operation: 1 | 2, target: Uint8Array, ip: Ipv4): Promise<void> {
    const asked = operation === 1 ? new Uint8Array(6) : target
    const own = this.#network.settings.address
    const packet = [0, 1, 8, 0, 6, 4, 0, operation, ...own, ...this.address, ...asked, ...ip]
    await this.#send(target, ETHERTYPE_ARP, Uint8Array.from(packet))
  }

  async #sendDhcp(transaction: number, options: readonly (readonly [number, readonly number[]])[]): Promise<void> {
    const message = new Uint8Array(300)
    const view = new DataView(message.buffer)
    message.set([1, 1, 6, 0])
    view.setUint32(4, transaction)
    // The server answers to the broadcast address, as we have none.
    view.setUint16(10, 0x8000)
    message.set(this.#network.settings.address, 28)
    const wanted = [DhcpOption.parameters, [DhcpOption.mask, DhcpOption.router]] as const
    const encoded = [...options, wanted].flatMap(([code, data]) => [code, data.length, ...data])
    message.set([...DHCP_MAGIC, ...encoded, 255], 236)
    await this.#sendUdp(BROADCAST, EVERYONE, DHCP_SERVER, DHCP_CLIENT, message)
  }

  async #dhcpAnswer(transaction: number, type: number): Promise<Lease> {
    for (;;) {
      const { payload } = await this.datagram(DHCP_CLIENT)
      const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
      const options = dhcpOptions(payload)
      const ip = (code: number): Ipv4 => ipAt(options.get(code) ?? [], 0)
      if (view.getUint32(4) !== transaction || options.get(DhcpOption.type)?.[0] !== type) continue
      const [a = 0, b = 0, c = 0, d = 0] = options.get(DhcpOption.lease) ?? []
      return {
        address: ipAt(payload, 16),
        mask: ip(DhcpOption.mask),
        router: ip(DhcpOption.router),
        server: ip(DhcpOption.server),
        seconds: ((a * 256 + b) * 256 + c) * 256 + d,
      }
    }
  }

  async #sendUdp(mac: Uint8Array, to: Ipv4, port: number, fromPort: number, payload: Uint8Array): Promise<void> {
    const message = new Uint8Array(8 + payload.length)
    const view = new DataView(message.buffer)
    view.setUint16(0, fromPort)
    view.setUint16(2, port)
    view.setUint16(4, message.length)
    message.set(payload, 8)
    const pseudo = Uint8Array.from([...this.address, ...to, 0, UDP, message.length >> 8, message.length])
    const sum = foldChecksum(sumWords(message, 0, message.length, sumWords(pseudo, 0, pseudo.length, 0)))
    view.setUint16(6, sum === 0 ? 0xffff : sum)
    await this.#sendIp(mac, to, UDP, message)
  }

  async #sendIp(mac: Uint8Array, to: Ipv4, protocol: number, body: Uint8Array): Promise<void> {
    const packet = new Uint8Array(20 + body.length)
    packet.set([0x45, 0, packet.length >> 8, packet.length, 0, 0, 0, 0, 64, protocol, 0, 0, ...this.address, ...to])
    packet.set(withChecksum(packet.slice(0, 20), 10))
    packet.set(body, 20)
    await this.#send(mac, ETHERTYPE_IPV4, packet)
  }

  async #send(to: Uint8Array, type: number, packet: Uint8Array): Promise<void> {
    const frame = new Uint8Array(Math.max(60, 14 + packet.length))
    frame.set(to)
    frame.set(this.#network.settings.address, 6)
    frame.set([type >> 8, type], 12)
    frame.set(packet, 14)
    await sendFrame(this.#network, frame)
  }

  #until<T>(look: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        const found = look()
        if (found === undefined) return
        end()
        resolve(found)
      }
      const timer = setTimeout(() => {
        end()
        reject(new Error(`${what} did not come in ${PATIENCE_MS / 1000} s`))
      }, PATIENCE_MS)
      const end = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(attempt)
      }
      this.#waiting.add(attempt)
      attempt()
    })
  }
}

function dhcpOptions(message: Uint8Array): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>()
  for (let at = 240; at < message.length && message[at] !== 255; ) {
    const length = message[at] === 0 ? -1 : (message[at + 1] ?? 0)
    if (length >= 0) options.set(message[at] ?? 0, message.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return options
}

function withChecksum(bytes: Uint8Array, at: number): Uint8Array {
  bytes.fill(0, at, at + 2)
  const sum = foldChecksum(sumWords(bytes, 0, bytes.length, 0))
  bytes[at] = sum >> 8
  bytes[at + 1] = sum
  return bytes
}

function ipAt(bytes: ArrayLike<number>, at: number): Ipv4 {
  return [bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0, bytes[at + 3] ?? 0]
}

function same(one: Ipv4, other: Ipv4): boolean {
  return one.every((byte, i) => byte === other[i])
}
