/** Default gateways from the kernel's tables in /proc/net, the preferred first. */

const RTF_GATEWAY = 2

/** /proc/net/route: addresses as hexadecimal words in the machine's order, which is little-endian where Hyper-V runs. */
export function ipv4Gateways(table: string, name: string): string[] {
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/))
  return rows
    .filter(([iface, target, , flags = '0', , , , mask]) => {
      const isDefault = target === '00000000' && mask === '00000000'
      return iface === name && isDefault && (Number.parseInt(flags, 16) & RTF_GATEWAY) !== 0
    })
    .toSorted((a, b) => Number(a[6]) - Number(b[6]))
    .map(([, , gateway = '']) =>
      (gateway.match(/../g) ?? [])
        .reverse()
        .map((byte) => Number.parseInt(byte, 16))
        .join('.'),
    )
}

/** /proc/net/ipv6_route. */
export function ipv6Gateways(table: string, name: string): string[] {
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/))
  return rows
    .filter((row) => {
      const [target = '', prefix, , , , , , , flags = '0'] = row
      return (
        row[9] === name && /^0{32}$/.test(target) && prefix === '00' && (Number.parseInt(flags, 16) & RTF_GATEWAY) !== 0
      )
    })
    .toSorted((a, b) => Number.parseInt(a[5] ?? '0', 16) - Number.parseInt(b[5] ?? '0', 16))
    .map(([, , , , gateway = '']) =>
      shortened((gateway.match(/.{4}/g) ?? []).map((group) => Number.parseInt(group, 16))),
    )
}

/** RFC 5952: the first longest run of zero groups becomes `::`. */
function shortened(groups: readonly number[]): string {
  const text = groups.map((group) => group.toString(16)).join(':')
  const runs = text.match(/(?:^|:)0(?::0)+(?=:|$)/g) ?? []
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '')
  if (longest === '') return text
  const at = text.indexOf(longest)
  const [head, tail] = [text.slice(0, at), text.slice(at + longest.length).replace(/^:/, '')]
  return `${head}::${tail}`
}
