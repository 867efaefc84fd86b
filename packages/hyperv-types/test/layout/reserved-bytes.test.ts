import { describe, expect, it } from 'vitest'
import * as hypervisor from '../../src/hypervisor/index.ts'
import * as ic from '../../src/ic/index.ts'
import * as network from '../../src/network/index.ts'
import * as scsi from '../../src/scsi/index.ts'
import * as storage from '../../src/storage/index.ts'
import type { Accessor, AnyLayout } from '../../src/struct/index.ts'
import type { MessageName } from '../../src/vmbus/index.ts'
import * as vmbus from '../../src/vmbus/index.ts'
import { isLayout } from './oracle.ts'

const layouts = [vmbus, hypervisor, storage, scsi, ic, network].flatMap((all) =>
  Object.values<unknown>(all).filter(isLayout),
)

/** Bits that some value may set: those of fields that are not reserved. Zero for reserved bytes, gaps and unnamed bits. */
function meaningful(layout: AnyLayout): Uint8Array {
  const mask = new Uint8Array(layout.size)
  for (const field of Object.values(layout.fields)) mark(field, mask)
  return mask
}

function mark(field: Accessor, mask: Uint8Array, from = field.offset): void {
  if ('reserved' in field && field.reserved === true) return
  if ('fields' in field) {
    for (const inner of Object.values((field as unknown as AnyLayout).fields))
      mark(inner, mask, from - field.offset + inner.offset)
  } else if ('item' in field && 'length' in field) {
    const { item, length, stride } = field as unknown as { item: Accessor; length: number; stride: number }
    for (let i = 0; i < length; i++) mark(item, mask, from + i * stride)
  } else if ('as' in field) {
    for (const member of Object.values(field.as as Record<string, Accessor>)) mark(member, mask, from)
  } else if ('bit' in field) {
    for (const { low, width } of Object.values(field.bit as Record<string, { low: number; width: number }>)) {
      for (let bit = low; bit < low + width; bit++)
        mask[from + (bit >> 3)] = (mask[from + (bit >> 3)] ?? 0) | (1 << (bit & 7))
    }
  } else {
    mask.fill(0xff, from, from + field.size)
  }
}

describe('reserved and padding bytes', () => {
  it.each(layouts.map((layout) => [layout.name, layout] as const))(
    '[VC-09] of %s are written as zero',
    (_name, layout) => {
      // Zeros decode everywhere (text too); what lies in the target before must not shine through.
      const value = layout.decode(new Uint8Array(layout.size))
      const target = new Uint8Array(layout.size).fill(0xa5)
      layout.encode(value, target)
      const mask = meaningful(layout)
      expect(target.every((byte, i) => (byte & ~(mask[i] ?? 0)) === 0)).toBe(true)
    },
  )

  it('[VC-09] of a control message full of ones are zero, and its length is the version’s', () => {
    for (const name of Object.keys(vmbus.CONTROL_MESSAGES) as MessageName[]) {
      const spec = vmbus.CONTROL_MESSAGES[name]
      const { type, layout } = spec as { type: number; layout: AnyLayout }
      const parsed = vmbus.parseControlMessage(
        Uint8Array.of(type, 0, 0, 0, ...new Uint8Array(layout.size - 4).fill(0xff)),
      )
      if (parsed.kind !== 'message') throw new Error(`${name} did not parse`)
      for (const version of vmbus.VMBUS_VERSIONS) {
        const encoded = vmbus.encodeControlMessage(name, bounded(parsed.body) as never, version)
        expect(encoded.length, name).toBe(spec.lengthAt(version, 0))
        const mask = meaningful(layout)
        expect(
          [...encoded].every((byte, i) => (byte & ~(mask[i] ?? 0)) === 0),
          name,
        ).toBe(true)
      }
    }
  })
})

/** 64-bit fields full of ones are beyond what a number holds: the largest that fits takes their place. */
function bounded(value: unknown): unknown {
  if (typeof value === 'number') return Math.min(value, Number.MAX_SAFE_INTEGER)
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bounded(inner)]))
}
