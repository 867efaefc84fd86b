import type { SeededRandom } from '@bis/hyperv-types'
import type { MessageName } from '@bis/hyperv-types/vmbus'
import { CONTROL_MESSAGES, encodeControlMessage, encodeGpaRanges, VMBUS_VERSIONS } from '@bis/hyperv-types/vmbus'
import { openMessage } from './test-guest.ts'

const NIL = '00000000-0000-0000-0000-000000000000'
const FROM_GUEST = Object.entries(CONTROL_MESSAGES)
  .filter(([, { direction }]) => direction === 'guest-to-host')
  .map(([name]) => name as MessageName)

const IDS = [0, 1, 1, 2, 2, 3, 4, 5, 2047, 2048, 0xffff_ffff]
const HANDLES = [0, 1, 2, 3, 4, 0xffff_ffff]
const VPS = [0, 1, 3, 4, 0x8000_0000, 0xffff_ffff]
const PAGES = [0, 0x10_0000, 0x10_1000, 0x10_0001, 2 ** 45]

/**
 * A control message that a wild guest could post: mostly well-formed with ids that collide often, sometimes cut, grown,
 * flipped, or plain noise.
 */
export function randomMessage(random: SeededRandom): Uint8Array {
  const message = wellFormed(random)
  const fate = random.below(100)
  if (fate < 80) return message
  if (fate < 86) return message.slice(0, random.below(message.length + 1))
  if (fate < 90) {
    const longer = random.bytes(240)
    longer.set(message)
    return longer
  }
  if (fate < 96) {
    for (let flips = 1 + random.below(4); flips > 0; flips--) {
      const at = random.below(message.length)
      message[at] = (message[at] ?? 0) ^ (1 << random.below(8))
    }
    return message
  }
  const noise = random.bytes(random.below(241))
  if (noise.length >= 4 && random.happens(0.7)) new DataView(noise.buffer).setUint32(0, random.below(32), true)
  return noise
}

function wellFormed(random: SeededRandom): Uint8Array {
  const name = random.happens(0.2) ? random.pick(FROM_GUEST) : random.pick(COMMON)
  const version = random.pick(VMBUS_VERSIONS)
  const id = random.pick(IDS)
  const handle = random.pick(HANDLES)
  const vp = random.pick(VPS)
  switch (name) {
    case 'INITIATE_CONTACT':
      return contact(random, version)
    case 'OPEN_CHANNEL': {
      const init = openMessage(id, handle, random.pick([0, 1, 2, 3, 4, 0xffff_ffff]), vp)
      const own = {
        signal_connection_id: random.pick([0, 4, 0x2001, 77]),
        event_flag: random.pick([0, 5, 2047, 2048, 0xffff]),
      }
      return encodeControlMessage(name, random.happens(0.3) ? { ...init, ...own } : init, 0x6_0000, random.pick([0, 3]))
    }
    case 'GPADL_HEADER':
      return gpadlHeader(random, id, handle)
    case 'GPADL_BODY':
      return encodeControlMessage(
        name,
        { msgnumber: random.below(3), gpadl: handle, pfn: pfns(random, random.below(29)) },
        version,
      )
    case 'GPADL_TEARDOWN':
      return encodeControlMessage(name, { child_relid: id, gpadl: handle }, version)
    case 'CLOSE_CHANNEL':
    case 'RELID_RELEASED':
      return encodeControlMessage(name, { child_relid: id }, version)
    case 'OPEN_RESERVED_CHANNEL':
      return encodeControlMessage(
        name,
        {
          child_relid: id,
          target_vp: vp,
          target_sint: random.pick([0, 2, 7, 16]),
          ringbuffer_gpadlhandle: handle,
          downstream_ringbuffer_pageoffset: random.pick([2, 2, 1, 0]),
        },
        version,
      )
    case 'CLOSE_RESERVED_CHANNEL':
      return encodeControlMessage(
        name,
        { child_relid: id, target_vp: vp, target_sint: random.pick([0, 2, 16]) },
        version,
      )
    case 'MODIFY_CHANNEL':
      return encodeControlMessage(name, { child_relid: id, target_vp: vp }, version)
    case 'MODIFY_CONNECTION':
      return encodeControlMessage(
        name,
        { monitor_page1: random.pick(PAGES), monitor_page2: random.pick(PAGES) },
        version,
      )
    case 'TL_CONNECT_REQUEST':
      return encodeControlMessage(name, { guest_endpoint_id: NIL, host_service_id: NIL, silo_id: NIL }, version)
    default:
      return encodeControlMessage(name as 'UNLOAD', {}, version)
  }
}

const COMMON: readonly MessageName[] = [
  'INITIATE_CONTACT',
  'REQUEST_OFFERS',
  'REQUEST_OFFERS',
  'OPEN_CHANNEL',
  'OPEN_CHANNEL',
  'OPEN_CHANNEL',
  'CLOSE_CHANNEL',
  'CLOSE_CHANNEL',
  'GPADL_HEADER',
  'GPADL_HEADER',
  'GPADL_HEADER',
  'GPADL_BODY',
  'GPADL_TEARDOWN',
  'GPADL_TEARDOWN',
  'RELID_RELEASED',
  'RELID_RELEASED',
]

function contact(random: SeededRandom, version: number): Uint8Array {
  const pages = random.happens(0.6) ? [0x10_0000, 0x10_1000] : [random.pick(PAGES), random.pick(PAGES)]
  const features = random.pick([0, 0x2f, 0xff])
  const init = {
    vmbus_version_requested: random.happens(0.1) ? random.below(0x7_0000) : version,
    target_vcpu: random.happens(0.8) ? 0 : random.pick(VPS),
    interrupt:
      version >= 0x5_0000
        ? {
            target: {
              msg_sint: random.happens(0.8) ? 2 : random.below(20),
              target_vtl: random.happens(0.9) ? 0 : 2,
              feature_flags: features,
            },
          }
        : { interrupt_page: random.pick(PAGES) },
    monitor_page1: pages[0] ?? 0,
    monitor_page2: pages[1] ?? 0,
    client_id: NIL,
  }
  return encodeControlMessage('INITIATE_CONTACT', init, version, features)
}

function gpadlHeader(random: SeededRandom, id: number, handle: number): Uint8Array {
  const count = 1 + random.below(30)
  const good = encodeGpaRanges([
    { byteCount: count * 4096, byteOffset: 0, pfns: Array.from({ length: count }, (_, n) => 256 + n) },
  ])
  const wild = random.happens(0.25)
  const init = {
    child_relid: id,
    gpadl: handle,
    range_buflen: wild ? random.pick([0, 4, 8, 16, 72, 216, 232, 0xfff8, 0xffff]) : good.length,
    rangecount: wild ? random.pick([0, 1, 2, 0xffff]) : 1,
    range: random.happens(0.2) ? random.bytes(8 * random.below(28)) : good.slice(0, 216),
  }
  return encodeControlMessage('GPADL_HEADER', init, 0x5_0003)
}

function pfns(random: SeededRandom, count: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(count * 8))
  for (let n = 0; n < count; n++)
    view.setUint32(n * 8, random.happens(0.95) ? 256 + random.below(64) : random.word(), true)
  return new Uint8Array(view.buffer)
}
