import { describe, expect, expectTypeOf, it } from 'vitest'
import { NIL_GUID } from '../struct/index.ts'
import type { ControlMessage, MessageName } from './index.ts'
import {
  CONTROL_MESSAGES,
  decodeGpaRanges,
  describeMessage,
  encodeControlMessage,
  encodeGpaRanges,
  isMessageAllowed,
  MAX_CONTROL_MESSAGE_BYTES,
  MessageType,
  parseControlMessage,
  VmbusFeature,
  VmbusVersion,
} from './index.ts'

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/[|\s]/g, '').match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}

const NO_CONTACT = { monitor_page1: 0, monitor_page2: 0, client_id: NIL_GUID }

describe('worked examples', () => {
  it('INITIATE_CONTACT 5.3', () => {
    const encoded = encodeControlMessage(
      'INITIATE_CONTACT',
      {
        vmbus_version_requested: VmbusVersion.V5_3,
        target_vcpu: 0,
        interrupt: { target: { msg_sint: 2, target_vtl: 0, feature_flags: 0 } },
        monitor_page1: 0x1000,
        monitor_page2: 0x1_2345_6000,
        client_id: NIL_GUID,
      },
      VmbusVersion.V5_3,
    )
    expect(encoded).toEqual(
      hex('0e00000000000000 | 03000500 | 00000000 | 0200000000000000 | 0010000000000000 | 0060452301000000'),
    )
  })

  it('VERSION_RESPONSE that accepts it', () => {
    const bytes = hex('0f00000000000000 | 01 | 00 | 0000 | 01000000')
    expect(parseControlMessage(bytes)).toMatchObject({
      kind: 'message',
      name: 'VERSION_RESPONSE',
      length: 16,
      body: { version_supported: 1, connection_state: 0, msg_conn_id: 1, supported_features: 0, monitor_page1: 0 },
    })
    const body = {
      version_supported: 1,
      connection_state: 0,
      msg_conn_id: 1,
      supported_features: 0,
      monitor_page1: 0,
      monitor_page2: 0,
    }
    expect(encodeControlMessage('VERSION_RESPONSE', body, VmbusVersion.V5_3)).toEqual(bytes)
  })

  it('GPADL_HEADER of an 8-page ring', () => {
    const pfns = [0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107]
    const range = encodeGpaRanges([{ byteCount: 0x8000, byteOffset: 0, pfns }])
    const encoded = encodeControlMessage(
      'GPADL_HEADER',
      { child_relid: 5, gpadl: 0xe1e10, range_buflen: range.length, rangecount: 1, range },
      VmbusVersion.V5_3,
    )
    expect(encoded.length).toBe(92)
    expect(encoded.subarray(0, 28)).toEqual(
      hex('0800000000000000 | 05000000 | 101e0e00 | 4800 | 0100 | 00800000 | 00000000'),
    )
    const parsed = parseControlMessage(encoded)
    if (parsed.kind !== 'message' || parsed.type !== MessageType.GPADL_HEADER) throw new Error(parsed.kind)
    expect(decodeGpaRanges(parsed.body.range, 1)).toEqual([{ byteCount: 0x8000, byteOffset: 0, pfns }])
  })

  it('OPEN_CHANNEL of that ring', () => {
    const open = {
      child_relid: 5,
      openid: 5,
      ringbuffer_gpadlhandle: 0xe1e10,
      target_vp: 2,
      downstream_ringbuffer_pageoffset: 4,
      userdata: new Uint8Array(120),
      signal_connection_id: 0,
      event_flag: 0,
      flags: {},
    }
    const encoded = encodeControlMessage('OPEN_CHANNEL', open, VmbusVersion.V5_3)
    expect(encoded.length).toBe(148)
    expect(encoded.subarray(0, 28)).toEqual(
      hex('0500000000000000 | 05000000 | 05000000 | 101e0e00 | 02000000 | 04000000'),
    )
    const features = VmbusFeature.CHANNEL_INTERRUPT_REDIRECTION
    expect(encodeControlMessage('OPEN_CHANNEL', open, VmbusVersion.V6_0, features).length).toBe(156)
  })

  it('REQUEST_OFFERS', () => {
    expect(encodeControlMessage('REQUEST_OFFERS', {}, VmbusVersion.V4_0)).toEqual(hex('0300000000000000'))
  })
})

describe('the message table', () => {
  const names = Object.keys(CONTROL_MESSAGES) as MessageName[]

  it('numbers the messages from 1 to 29', () => {
    expect(names.map((name) => CONTROL_MESSAGES[name].type)).toEqual(Array.from({ length: 29 }, (_, i) => i + 1))
  })

  it('keeps every length between the minimum and the layout', () => {
    for (const name of names) {
      const { layout, minLength, lengthAt } = CONTROL_MESSAGES[name]
      for (const version of Object.values(VmbusVersion)) {
        for (const features of [0, 0xff]) {
          expect(lengthAt(version, features), name).toBeGreaterThanOrEqual(minLength)
          expect(lengthAt(version, features), name).toBeLessThanOrEqual(layout.size)
        }
      }
      expect(layout.size).toBeLessThanOrEqual(MAX_CONTROL_MESSAGE_BYTES)
      expect(layout.header.msgtype.offset).toBe(0)
    }
  })

  it('cuts messages to the version', () => {
    expect(CONTROL_MESSAGES.OFFER_CHANNEL.lengthAt(VmbusVersion.V0_13, 0)).toBe(190)
    expect(CONTROL_MESSAGES.OFFER_CHANNEL.lengthAt(VmbusVersion.V1_1, 0)).toBe(196)
    expect(CONTROL_MESSAGES.VERSION_RESPONSE.lengthAt(VmbusVersion.V6_0, 0)).toBe(20)
    expect(CONTROL_MESSAGES.VERSION_RESPONSE.lengthAt(VmbusVersion.V6_0, 0x40)).toBe(40)
    const contact = { vmbus_version_requested: VmbusVersion.V6_0, target_vcpu: 0, interrupt: {}, ...NO_CONTACT }
    expect(encodeControlMessage('INITIATE_CONTACT', contact, VmbusVersion.V6_0, VmbusFeature.CLIENT_ID).length).toBe(56)
    expect(encodeControlMessage('INITIATE_CONTACT', contact, VmbusVersion.V5_3, VmbusFeature.CLIENT_ID).length).toBe(40)
  })

  it('knows what a connection may send', () => {
    expect(isMessageAllowed('UNLOAD', undefined)).toBe(true)
    expect(isMessageAllowed('REQUEST_OFFERS', undefined)).toBe(false)
    expect(isMessageAllowed('UNLOAD_RESPONSE', VmbusVersion.V0_13)).toBe(false)
    expect(isMessageAllowed('MODIFY_CHANNEL', VmbusVersion.V4_0)).toBe(false)
    expect(isMessageAllowed('MODIFY_CHANNEL', VmbusVersion.V4_1)).toBe(true)
    expect(isMessageAllowed('MODIFY_CHANNEL_RESPONSE', VmbusVersion.V5_2)).toBe(false)
    expect(isMessageAllowed('PAUSE', VmbusVersion.V6_0)).toBe(false)
    expect(isMessageAllowed('PAUSE', VmbusVersion.V6_0, VmbusFeature.PAUSE_RESUME)).toBe(true)
  })

  it('names messages for the log', () => {
    expect(describeMessage(13)).toBe('RELID_RELEASED')
    expect(describeMessage(0x1f)).toBe('message type 0x1f')
  })
})

describe('parsing', () => {
  it('gives short and unknown messages as results', () => {
    expect(parseControlMessage(new Uint8Array(7))).toEqual({ kind: 'short', type: undefined, length: 7, needed: 8 })
    expect(parseControlMessage(hex('1e00000000000000'))).toEqual({ kind: 'unknown', type: 30, length: 8 })
    expect(parseControlMessage(new Uint8Array(8))).toEqual({ kind: 'unknown', type: 0, length: 8 })
    expect(parseControlMessage(hex('020000000000000005000000'), 11)).toEqual({
      kind: 'short',
      type: 2,
      length: 11,
      needed: 12,
    })
  })

  it('parses every message at its minimum, and padded to 240 bytes', () => {
    for (const [name, { type, minLength }] of Object.entries(CONTROL_MESSAGES)) {
      const bytes = new Uint8Array(MAX_CONTROL_MESSAGE_BYTES)
      bytes[0] = type
      for (const length of [minLength, bytes.length]) {
        expect(parseControlMessage(bytes, length)).toMatchObject({ kind: 'message', name, type, length })
      }
      expect(parseControlMessage(bytes, minLength - 1)).toMatchObject({ kind: 'short' })
    }
  })

  it('reads what an older version leaves out as zero', () => {
    const bytes = new Uint8Array(240).fill(0xff)
    bytes.set(hex('0100000000000000'))
    const parsed = parseControlMessage(bytes, 190)
    if (parsed.kind !== 'message' || parsed.name !== 'OFFER_CHANNEL') throw new Error(parsed.kind)
    expect(parsed.body.monitor.monitor_allocated).toBe(1)
    expect(parsed.body.interrupt.is_dedicated_interrupt).toBe(0)
    expect(parsed.body.connection_id).toBe(0)
  })

  it('narrows by type and by name', () => {
    const message = parseControlMessage(hex('0c00000000000000 07000000'))
    if (message.kind === 'message' && message.type === MessageType.GPADL_TORNDOWN) {
      expectTypeOf(message.body).toEqualTypeOf<ControlMessage<'GPADL_TORNDOWN'>['body']>()
      expect(message.body.gpadl).toBe(7)
    } else {
      expect.unreachable()
    }
  })
})

describe('range lists', () => {
  it('come back as they were', () => {
    const ranges = [
      { byteCount: 8192, byteOffset: 4095, pfns: [1, 2, 2 ** 40] },
      { byteCount: 1, byteOffset: 0, pfns: [7] },
    ]
    const bytes = encodeGpaRanges(ranges)
    expect(bytes.length).toBe(8 + 24 + 8 + 8)
    expect(decodeGpaRanges(bytes, 2)).toEqual(ranges)
    expect(decodeGpaRanges(bytes, 1)).toEqual(ranges.slice(0, 1))
  })

  it.each([
    ['00000000 00000000', 'bad-count'],
    ['01000000 00100000 0100000000000000', 'bad-offset'],
    ['00100000 01000000 0100000000000000', 'truncated'],
    ['ffffffff 00000000 0100000000000000', 'truncated'],
    ['01000000 00000000 ffffffffffffffff', 'bad-value'],
    ['010000', 'truncated'],
  ])('refuse %s: %s', (text, code) => {
    expect(() => decodeGpaRanges(hex(text), 1)).toThrow(expect.objectContaining({ name: 'WireError', code }))
  })

  it('refuse a list of no ranges', () => {
    expect(() => decodeGpaRanges(new Uint8Array(0), 0)).toThrow('no ranges')
  })
})
