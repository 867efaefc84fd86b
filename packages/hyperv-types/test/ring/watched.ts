import { readFileSync } from 'node:fs'
import { GuestMemory } from '@bis/hyperv-types'
import type { RingConsumer } from '@bis/hyperv-types/ring'
// @ts-expect-error plain script
import { assemble } from '../../scripts/assemble-ring.mjs'
import { RingAccess } from '../../src/ring/access.ts'
import { ScriptConsumer } from '../../src/ring/script-consumer.ts'
import { PrivateMemory } from '../../src/ring/wasm/private-memory.ts'
import type { RingCode } from '../../src/ring/wasm/wasm-code.ts'
import { STATE_BYTES } from '../../src/ring/wasm/wasm-code.ts'
import { WasmConsumer } from '../../src/ring/wasm/wasm-consumer.ts'

/** A ring whose reader is watched: `onRead` is called after each read of its data area, before anything else happens. */
export interface WatchedRing {
  readonly ring: Uint8Array
  onRead: (at: number, length: number) => void
  /** Called before each load of the write index. */
  onLook: () => void
  consumer(): RingConsumer
}

export const RING_BYTES = 8192

export function watchedScript(): WatchedRing {
  const ring = new Uint8Array(RING_BYTES)
  const watched: WatchedRing = {
    ring,
    onRead: () => {},
    onLook: () => {},
    consumer: () => new ScriptConsumer(new WatchedAccess(ring), new Uint8Array(4096)),
  }
  class WatchedAccess extends RingAccess {
    override copyOut(at: number, to: Uint8Array, toOffset: number, length: number): void {
      super.copyOut(at, to, toOffset, length)
      const first = Math.min(length, this.dataBytes - at)
      watched.onRead(at, first)
      if (first < length) watched.onRead(0, length - first)
    }

    override loadWriteIndex(): number {
      watched.onLook()
      return super.loadWriteIndex()
    }
  }
  return watched
}

const BYTES: Record<string, number> = {
  'v128.load': 16,
  'i64.load': 8,
  'i32.load': 4,
  'i32.load16_u': 2,
  'i32.load8_u': 1,
}

/** ring.wat with every load followed by a call that tells of it. */
function openedSource(): string {
  const source = readFileSync(new URL('../../src/ring/wasm/ring.wat', import.meta.url), 'utf8').replace(/;;.*/g, '')
  const helpers = new Map<string, string>()
  const opened = source
    .replace(/\(([vi]\d+\.load(?:16_u|8_u)?)(?: offset=(\d+))? /g, (_, load: string, offset = '0') => {
      const name = `$watched_${load.replace('.', '_')}_${offset}`
      const type = load.slice(0, load.indexOf('.'))
      helpers.set(
        name,
        `(func ${name} (param $at i32) (result ${type}) (local $value ${type})
           (local.set $value (${load} offset=${offset} (local.get $at)))
           (call $read (i32.add (local.get $at) (i32.const ${offset})) (i32.const ${BYTES[load]}))
           (local.get $value))`,
      )
      return `(call ${name} `
    })
    .replace(/\(memory\.copy\s/g, '(call $watched_copy ')
    .replace(/\(v128\.load64_zero\s/g, '(call $watched_zero ')
    .replace(/\(v128\.load64_lane 1\s/g, '(call $watched_lane ')
    .replace(/\(i32\.atomic\.load \(/g, '(call $watched_look (')
  if (/[vi]\d+\.load|memory\.copy/.test(opened)) throw new Error('a load of ring.wat escaped')
  return opened.replace(
    '(import "env" "memory" (memory 1 65536 shared))',
    `(import "env" "read" (func $read (param i32 i32)))
     (import "env" "look" (func $look (param i32)))
     (import "env" "memory" (memory 1 65536 shared))
     (func $watched_copy (param $to i32) (param $from i32) (param $length i32)
       (memory.copy (local.get $to) (local.get $from) (local.get $length))
       (call $read (local.get $from) (local.get $length)))
     (func $watched_zero (param $at i32) (result v128) (local $value v128)
       (local.set $value (v128.load64_zero (local.get $at)))
       (call $read (local.get $at) (i32.const 8))
       (local.get $value))
     (func $watched_lane (param $at i32) (param $value v128) (result v128)
       (local.set $value (v128.load64_lane 1 (local.get $at) (local.get $value)))
       (call $read (local.get $at) (i32.const 8))
       (local.get $value))
     (func $watched_look (param $at i32) (result i32)
       (call $look (local.get $at))
       (i32.atomic.load (local.get $at)))
     ${[...helpers.values()].join('\n')}`,
  )
}

export async function watchedWasm(): Promise<WatchedRing> {
  const region = GuestMemory.allocate(1 << 20).regions[0]
  if (region?.wasm === undefined) throw new Error('no memory')
  const ring = region.bytes.subarray(65_536, 65_536 + RING_BYTES)
  const data = ring.byteOffset + 4096
  const own = new PrivateMemory(region.wasm, region.byteLength)
  const state = own.allocate(STATE_BYTES + 4096)
  if (state === undefined) throw new Error('no private memory')
  const env = {
    memory: region.wasm,
    look: (at: number) => {
      if (at === ring.byteOffset) watched.onLook()
    },
    read: (at: number, length: number) => {
      if (at + length > ring.byteOffset && at < ring.byteOffset + RING_BYTES) watched.onRead(at - data, length)
    },
  }
  const module = new WebAssembly.Module(await assemble(openedSource()))
  const code = { ...new WebAssembly.Instance(module, { env }).exports } as unknown as RingCode
  const watched: WatchedRing = {
    ring,
    onRead: () => {},
    onLook: () => {},
    consumer() {
      state.fill(0)
      return new WasmConsumer(new RingAccess(ring), ring, state, code, own)
    },
  }
  return watched
}
