import { describe, expect, it } from 'vitest'
import { StorvscRequest } from './request.ts'
import { decodeOutcome, SrbEncoder } from './srb-codec.ts'
import type { Outcome } from './verdict.ts'
import { describeOutcome, judge } from './verdict.ts'

const sense = (key: number, asc: number, ascq: number): Uint8Array => {
  const bytes = new Uint8Array(20)
  bytes.set([0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq])
  return bytes
}
const outcome = (fields: Partial<Outcome>): Outcome => ({
  cdb: Uint8Array.of(0x28),
  failure: undefined,
  srbStatus: 1,
  scsiStatus: 0,
  senseLength: 0,
  sense: new Uint8Array(20),
  ...fields,
})
const act = (fields: Partial<Outcome>): string => {
  const { action, code } = judge(outcome(fields))
  return action === 'good' || action === 'attention' ? action : `${action} ${code}`
}

describe('[ST-02] the verdict on an SRB status', () => {
  it('is good for success alone, of all 256 values, with the flags and without', () => {
    const good: number[] = []
    for (let srbStatus = 0; srbStatus < 256; srbStatus++) {
      for (const senseLength of [0, 2, 18]) {
        const verdict = judge(outcome({ srbStatus, senseLength, sense: sense(3, 0x11, 0) }))
        if (verdict.action === 'good') good.push(srbStatus)
        else expect(describeOutcome(outcome({ srbStatus }))).toContain(`(0x${srbStatus.toString(16).padStart(2, '0')})`)
      }
    }
    expect([...new Set(good)]).toEqual([0x01, 0x41, 0x81, 0xc1])
  })

  it('never takes a failing SCSI status for good', () => {
    for (let scsiStatus = 1; scsiStatus < 256; scsiStatus++) {
      for (const srbStatus of [0x01, 0x81, 0x04, 0x84]) {
        expect(judge(outcome({ srbStatus, scsiStatus })).action).not.toBe('good')
      }
    }
  })

  it.each([
    [0x20, 'removed removed'],
    [0xa0, 'removed removed'],
    [0x21, 'removed removed'],
    [0x08, 'removed removed'],
    [0x11, 'removed removed'],
    [0x0a, 'removed removed'],
    [0x05, 'wait io'],
    [0x09, 'retry timeout'],
    [0x02, 'retry io'],
    [0x04, 'retry io'],
    [0x0e, 'retry io'],
    [0x12, 'retry io'],
    [0x06, 'fail not-supported'],
    [0x22, 'fail not-supported'],
    [0x00, 'retry io'],
    [0x3f, 'retry io'],
  ])('%i is %s', (srbStatus, expected) => {
    expect(act({ srbStatus })).toBe(expected)
  })

  it.each([
    [0x08, 'wait io'],
    [0x28, 'wait io'],
    [0x18, 'fail io'],
    [0x40, 'retry io'],
  ])('SCSI status %i is %s', (scsiStatus, expected) => {
    expect(act({ scsiStatus, srbStatus: 4 })).toBe(expected)
  })
})

describe('[ST-03] sense', () => {
  it.each([
    [6, 0x2a, 0x09, 'attention'],
    [6, 0x29, 0x00, 'attention'],
    [2, 0x3a, 0x01, 'fail no-media'],
    [2, 0x04, 0x01, 'wait io'],
    [3, 0x11, 0x00, 'retry io'],
    [5, 0x20, 0x00, 'fail not-supported'],
    [5, 0x24, 0x00, 'fail not-supported'],
    [5, 0x21, 0x00, 'fail out-of-range'],
    [5, 0x25, 0x00, 'removed removed'],
    [7, 0x27, 0x00, 'fail read-only'],
    [0xb, 0x00, 0x00, 'retry io'],
    [0, 0x00, 0x00, 'good'],
    [1, 0x17, 0x01, 'good'],
  ])('%i/%i/%i is %s, with every code that carries it', (key, asc, ascq, expected) => {
    for (const srbStatus of [0x84, 0x86, 0x82, 0xc4]) {
      expect(act({ srbStatus, scsiStatus: 2, senseLength: 18, sense: sense(key, asc, ascq) })).toBe(expected)
    }
    const descriptor = new Uint8Array(20)
    descriptor.set([0x72, key, asc, ascq])
    expect(act({ srbStatus: 0x84, scsiStatus: 2, senseLength: 8, sense: descriptor })).toBe(expected)
  })

  it('counts only when it is said to be there', () => {
    const gone = { senseLength: 18, sense: sense(5, 0x21, 0) }
    expect(act({ srbStatus: 0x04, scsiStatus: 2, ...gone })).toBe('retry io')
    expect(act({ srbStatus: 0x84, scsiStatus: 0, ...gone })).toBe('retry io')
    expect(act({ srbStatus: 0x84, scsiStatus: 2, senseLength: 0, sense: gone.sense })).toBe('retry io')
    // Too short for the additional code: the key alone decides.
    expect(act({ srbStatus: 0x84, scsiStatus: 2, senseLength: 8, sense: sense(7, 0x27, 0) })).toBe('fail read-only')
  })

  it('is copied out of an answer as far as there is room, and residuals stay within the request', () => {
    const request = new StorvscRequest(1)
    for (let length = 0; length < 256; length++) {
      for (const [srbStatus, transferred] of [
        [0x84, 100],
        [0x01, 4096],
        [0x01, 100_000],
        [0x12, 100],
        [0x04, 100],
        [0x12, 0xffff_ffff],
      ] as const) {
        const view = new DataView(new Uint8Array(64).fill(0xcc).buffer)
        view.setUint8(14, srbStatus)
        view.setUint8(15, 2)
        view.setUint8(21, length)
        view.setUint32(24, transferred, true)
        request.length = 4096
        decodeOutcome(view, 0, request)
        const counted = srbStatus === 0x01 || srbStatus === 0x12
        expect(request.transferred).toBe(counted ? Math.min(transferred, 4096) : 0)
        expect(request.senseLength).toBe(srbStatus === 0x01 ? 0 : Math.min(length, 20))
      }
    }
  })
})

it('[ST-10] an overrun of a command that hosts cut short is success with the data there is', () => {
  for (const opcode of [0x12, 0x1a, 0x5a, 0xa3, 0x5e]) {
    expect(act({ cdb: Uint8Array.of(opcode), srbStatus: 0x12 })).toBe('good')
    const refused = { srbStatus: 0x86, scsiStatus: 2, senseLength: 18, sense: sense(5, 0x20, 0) }
    expect(act({ cdb: Uint8Array.of(opcode), ...refused })).toBe('fail not-supported')
  }
  expect(act({ cdb: Uint8Array.of(0x28), srbStatus: 0x12 })).toBe('retry io')
})

it('[ST-01] a command without data says so, whatever was in the packet before', () => {
  const encoder = new SrbEncoder(0x0602, 20, true)
  const dirty = new StorvscRequest(1)
  Object.assign(dirty, { direction: 1, length: 4096, cdbLength: 10, lun: 3 })
  dirty.cdb.fill(0xff)
  encoder.encode(dirty, 60)
  const clean = new StorvscRequest(1)
  clean.cdbLength = 6
  encoder.encode(clean, 60)
  const fresh = new SrbEncoder(0x0602, 20, true)
  fresh.encode(clean, 60)
  expect(encoder.bytes).toEqual(fresh.bytes)
  const view = new DataView(encoder.bytes.buffer)
  expect([view.getUint8(22), view.getUint32(24, true), view.getUint32(52, true)]).toEqual([2, 0, 8])
})

it('[PF-03] a packet is as long as the version says, and no longer', () => {
  expect([0x0602, 0x0600, 0x0501, 0x0402, 0x0200].map((v) => new SrbEncoder(v, 20, true).packetBytes)).toEqual([
    64, 64, 64, 48, 48,
  ])
})
