import type { VhdxRow } from './rows.ts'

const NAMES: Record<VhdxRow['bench'], string> = {
  copy: 'memory copy',
  read: 'sequential read',
  'read-plain': 'sequential read of a plain file, by Node.js',
  'random-read': 'random read of 4 KiB, queue depth 16',
  write: 'sequential write into a new image',
  convert: 'convert',
  memory: 'memory for writes all over a 64 TiB image',
}

/** The rows as text for people. */
export function vhdxTable(rows: readonly VhdxRow[]): string {
  return rows.map(line).join('\n')
}

function line(row: VhdxRow): string {
  const name = NAMES[row.bench] + (row.to === undefined ? '' : ` to ${row.to}`)
  const head = name.padEnd(46) + figure(row.value, row.unit).padStart(14)
  const copy = row.ofCopy === undefined ? '' : `${row.ofCopy.toFixed(2)} of copy`
  const qemu =
    row.qemuImg === undefined || row.ofQemuImg === undefined
      ? ''
      : `${row.ofQemuImg.toFixed(2)} of qemu-img (${figure(row.qemuImg, row.unit)})`
  return `${head}${copy.padStart(16)}    ${qemu}`.trimEnd()
}

function figure(value: number, unit: VhdxRow['unit']): string {
  switch (unit) {
    case 'B/s':
      return `${(value / 1e9).toFixed(2)} GB/s`
    case 'IOPS':
      return `${Math.round(value).toLocaleString('en')}/s`
    case 'B':
      return `${(value / 2 ** 20).toFixed(1)} MiB`
  }
}
