import type { Load, NetvscFrameRow, NetvscRow } from './rows.ts'

const LOADS: Record<Load, string> = {
  frames: 'plain frames',
  flows: 'TCP, many flows',
  tcp: 'TCP, checksum offloaded',
  'large-send': 'large send, taken whole',
  'large-send-cut': 'large send, cut by the switch',
}

/** The rows as text for people. */
export function netvscTable(rows: readonly NetvscRow[]): string {
  return rows.map(line).join('\n')
}

function line(row: NetvscRow): string {
  switch (row.contender) {
    case 'netvsc':
      return frameLine(row)
    case 'heap': {
      const bytes = `${row.bytesPerFrame.toFixed(2)} bytes for each, ${row.collections} collections`
      return `${head('heap', row.memory)}${row.frames.toLocaleString('en')} frames in bursts of ${row.burst}: ${bytes}`
    }
    default: {
      const name = row.contender === 'copy' ? 'memory copy' : 'ring in C, a packet'
      return head(name, row.memory) + size(row.frameBytes) + time(row.nanoseconds)
    }
  }
}

function frameLine(row: NetvscFrameRow): string {
  const { load, memory, host, ports, channels } = row
  const where = host === 'second' ? ', host in a thread' : ''
  const how = `${ports} port${ports === 1 ? '' : 's'}, ${channels} channel${channels === 1 ? '' : 's'}`
  const rate = `${Math.round(row.framesPerSecond).toLocaleString('en')}/s`.padStart(13)
  const bits = `${(row.bitsPerSecond / 1e9).toFixed(2)} Gbit/s`.padStart(15)
  const copy = `${row.ofCopy.toFixed(3)} of copy`.padStart(15)
  const ring = row.ofCRing === undefined ? '' : `${row.ofCRing.toFixed(3)} of C ring`.padStart(17)
  const name = head(LOADS[load] + where, memory) + size(row.frameBytes)
  return `${name}${time(row.nanoseconds)}${rate}${bits}${copy}${ring}  ${how}`
}

function head(name: string, memory: string): string {
  return name.padEnd(43) + memory.padEnd(7)
}

function size(bytes: number): string {
  return `${bytes} B`.padStart(8)
}

function time(nanoseconds: number): string {
  return `${nanoseconds.toFixed(1)} ns`.padStart(12)
}
