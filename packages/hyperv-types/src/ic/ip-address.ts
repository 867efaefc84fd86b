/** Text forms of addresses, strictly: what goes into configuration files and to the host is one of these. */

export function isIpv4(text: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(text)
}

export function isIpv6(text: string): boolean {
  return ipv6Groups(text) !== undefined
}

/** A mask, or a prefix with or without its slash. */
export function isSubnet(text: string): boolean {
  if (isIpv4(text)) return prefixOfMask(text) !== undefined
  return (/^\/?\d{1,3}$/.test(text) && Number(text.replace('/', '')) <= 128) || prefixOfMask(text) !== undefined
}

/** Bits of a mask, IPv4 or IPv6; undefined when its bits have gaps. */
export function prefixOfMask(mask: string): number | undefined {
  const bits = isIpv4(mask)
    ? mask.split('.').map((part) => Number(part).toString(2).padStart(8, '0'))
    : ipv6Groups(mask)?.map((group) => group.toString(2).padStart(16, '0'))
  return /^(1*)0*$/.exec(bits?.join('') ?? 'x')?.[1]?.length
}

/** Bits of a subnet in any of its forms. @returns undefined when it is none */
export function prefixOf(subnet: string): number | undefined {
  return isIpv4(subnet) || subnet.includes(':') ? prefixOfMask(subnet) : Number(subnet.replace('/', ''))
}

/** The mask with so many bits. */
export function maskOfPrefix(bits: number): string {
  return [0, 8, 16, 24].map((start) => 256 - 2 ** (8 - Math.min(8, Math.max(0, bits - start)))).join('.')
}

/** The bytes of an address, 4 or 16, in network order; undefined when it is none. */
export function parseIp(text: string): Uint8Array | undefined {
  if (isIpv4(text)) return Uint8Array.from(text.split('.'), Number)
  const groups = ipv6Groups(text)
  return groups === undefined ? undefined : Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]))
}

/** The text of 4 or 16 bytes; of IPv6 as RFC 5952 has it, the longest run of zeros left out. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0)).toString(16),
  )
  const text = groups.join(':')
  const zeros = text.match(/\b0(?::0)+\b/g) ?? []
  const longest = zeros.reduce((most, run) => (run.length > most.length ? run : most), '')
  return longest === '' ? text : text.replace(new RegExp(`(?:^|:)${longest}(?::|$)`), '::')
}

function ipv6Groups(text: string): number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2 || !/^[0-9A-Fa-f:.]+$/.test(text)) return undefined
  const parsed = halves.map(groupsOf)
  const [head, tail] = parsed
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined
  if (halves.length === 1) return head.length === 8 ? head : undefined
  const missing = 8 - head.length - (tail?.length ?? 0)
  return missing < 1 ? undefined : [...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])]
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (index === parts.length - 1 && isIpv4(part)) {
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
      groups.push(a * 256 + b, c * 256 + d)
    } else if (/^[0-9A-Fa-f]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}
