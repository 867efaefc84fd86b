import { afterEach, describe, expect, it, vi } from 'vitest'
import { MessageSlot } from './message-slot.ts'

const SINT = 2
const SLOT = SINT * 256

function page(): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(4096))
}

function put(bytes: Uint8Array, type: number, size: number, pending = false): void {
  new DataView(bytes.buffer).setUint32(SLOT, type, true)
  bytes[SLOT + 4] = size
  bytes[SLOT + 5] = pending ? 1 : 0
}

afterEach(() => vi.restoreAllMocks())

describe('MessageSlot', () => {
  it('[DS-05] hands out exactly the bytes that the header tells, never those of an older message', () => {
    const bytes = page()
    const slot = new MessageSlot(bytes, SINT, () => {})
    for (const size of [0, 1, 11, 239, 240]) {
      bytes.fill(0xaa, SLOT, SLOT + 256)
      bytes.fill(0x11, SLOT + 16, SLOT + 16 + size)
      put(bytes, 1, size)
      const message = slot.take()
      expect(message?.payload.length).toBe(size)
      expect(message?.payload.every((byte) => byte === 0x11)).toBe(true)
    }
    put(bytes, 1, 241)
    expect(slot.take()).toMatchObject({ tooLong: true, payload: new Uint8Array(0) })
    expect(slot.take()).toBeUndefined()
  })

  it('[DS-06] reads each header byte once, and what it hands out no longer changes', () => {
    const bytes = page()
    const slot = new MessageSlot(bytes, SINT, () => {})
    put(bytes, 1, 8)
    bytes.fill(0x22, SLOT + 16, SLOT + 256)
    const load = Atomics.load as (array: Int32Array | Uint8Array, index: number) => number
    const reads: string[] = []
    vi.spyOn(Atomics, 'load').mockImplementation(((array: Int32Array | Uint8Array, index: number) => {
      const value = load(array, index)
      reads.push(`${array.byteOffset + index * array.BYTES_PER_ELEMENT - SLOT}+${array.BYTES_PER_ELEMENT}`)
      // The host rewrites what was just read.
      array.fill(0x7f, index, index + 1)
      return value
    }) as typeof Atomics.load)
    const message = slot.take()
    vi.restoreAllMocks()
    expect(reads).toEqual(['0+4', '4+1', '5+1'])
    bytes.fill(0xff, SLOT, SLOT + 256)
    expect(message).toEqual({ type: 1, payload: new Uint8Array(8).fill(0x22), tooLong: false })
    expect(message?.payload.buffer).toBeInstanceOf(ArrayBuffer)
  })

  it('[DS-11] frees the slot, then looks for more, and writes end-of-message only then', () => {
    const bytes = page()
    const order: string[] = []
    const slot = new MessageSlot(bytes, SINT, () => order.push(`eom while type is ${bytes[SLOT]}`))
    put(bytes, 1, 0)
    slot.take()
    expect(order).toEqual([])
    put(bytes, 1, 0)
    const store = Atomics.store as (array: Int32Array, index: number, value: number) => number
    vi.spyOn(Atomics, 'store').mockImplementation(((array: Int32Array, index: number, value: number) => {
      const result = store(array, index, value)
      // The host finds the slot busy just before it is freed.
      bytes[SLOT + 5] = 1
      return result
    }) as typeof Atomics.store)
    slot.take()
    expect(order).toEqual(['eom while type is 0'])
  })
})
