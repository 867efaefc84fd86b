import { describe, expect, it } from 'vitest'
import {
  CpuidLeaf,
  crashControl,
  describeHvStatus,
  freebsdGuestOsId,
  guestOsId,
  Hint,
  HV_INTERFACE,
  HV_VENDOR,
  HYPERCALL_FAST,
  HypercallCode,
  hypercallControl,
  hypercallMsr,
  postMessageInput,
  signalEventInput,
  sintMsr,
  sintRegister,
  stimerCountMsr,
  synicMessagePage,
  timerMessage,
} from './index.ts'

describe('CPUID', () => {
  it('spells the vendor and the interface', () => {
    const words = Uint32Array.of(HV_VENDOR.ebx, HV_VENDOR.ecx, HV_VENDOR.edx, HV_INTERFACE)
    expect(String.fromCharCode(...new Uint8Array(words.buffer))).toBe('Microsoft HvHv#1')
    expect(CpuidLeaf.LIMITS).toBe(0x40000005)
    // Windows Server 2022 as a public boot log shows it: auto-EOI is not deprecated there.
    expect(0x140c2c & Hint.DEPRECATE_AUTO_EOI).toBe(0)
  })
})

describe('registers', () => {
  it('SINT2 as Linux writes it', () => {
    expect(sintMsr(2)).toBe(0x40000092)
    expect(sintRegister.encode({ vector: 0xf3, auto_eoi: 1 })).toBe(0x200f3n)
    expect(sintRegister.encode({ vector: 0xf3, masked: 1 })).toBe(0x100f3n)
    expect(sintRegister.decode(0x200f3n)).toEqual({ vector: 0xf3, masked: 0, auto_eoi: 1, polling: 0, proxy: 0 })
  })

  it('keep the bits without a name when asked', () => {
    const old = 0xffff_ffff_ffff_ffffn
    const value = hypercallMsr.encode({ enable: 1, guest_physical_address: 0x1234 }, old)
    expect(value).toBe((0x1234n << 12n) | 0xffcn | 1n)
    expect(hypercallMsr.decode(value)).toEqual({ enable: 1, locked: 0, guest_physical_address: 0x1234 })
  })

  it('refuse what does not fit', () => {
    expect(() => sintRegister.encode({ vector: 256 })).toThrow('hv_synic_sint.vector: 256 does not fit 8 bits')
  })

  it('crash control uses the top bits', () => {
    expect(crashControl.encode({ crash_notify: 1, crash_message: 1 })).toBe(0xc000_0000_0000_0000n)
  })

  it('timers have two registers each', () => {
    expect(stimerCountMsr(3)).toBe(0x400000b7)
  })

  it('guest OS ids', () => {
    expect(freebsdGuestOsId(1400097)).toBe(0x8200_0000_0000_0000n | (1400097n << 16n))
    // Linux 6.1.0
    expect(guestOsId.decode(0x8100_0006_0100_0000n)).toEqual({
      open_source: 1,
      os_type: 1,
      os_id: 0,
      version: 0x60100,
      build_number: 0,
    })
  })
})

describe('hypercalls', () => {
  it('post REQUEST_OFFERS', () => {
    const payload = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0)
    const input = postMessageInput.encode({ connectionid: 1, message_type: 1, payload_size: 8, payload })
    expect([...input.subarray(0, 24)]).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0])
    expect(input.length).toBe(256)
  })

  it('signal connection 0x2005 fast', () => {
    expect(HYPERCALL_FAST | HypercallCode.SIGNAL_EVENT).toBe(0x1005d)
    const view = new DataView(hypercallControl.encode({ word: { code: 0x5d, fast: 1 } }).buffer)
    expect(view.getBigUint64(0, true)).toBe(0x1005dn)
    const input = signalEventInput.encode({ connectionid: 0x2005, flag_number: 0 })
    expect(new DataView(input.buffer).getBigUint64(0, true)).toBe(0x2005n)
  })

  it('names statuses', () => {
    expect(describeHvStatus(18)).toBe('INVALID_CONNECTION_ID (18)')
    expect(describeHvStatus(0x999)).toBe('unknown status (2457)')
  })
})

describe('SynIC', () => {
  it('finds slot n', () => {
    const { sint_message: slots } = synicMessagePage
    const view = new DataView(new ArrayBuffer(4096))
    slots.item.header.message_type.set(view, slots.at(0, 2), 1)
    slots.item.header.message_flags.bit.msg_pending.set(view, slots.at(0, 2), 1)
    expect(view.getUint32(512, true)).toBe(1)
    expect(view.getUint8(517)).toBe(1)
    expect(timerMessage.size).toBe(24)
  })
})
