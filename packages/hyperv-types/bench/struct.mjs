// What a layout's accessors cost beside a DataView's own methods with the offset written in. `pnpm bench:struct` builds
// first, so that this measures what a user of the package runs.
import { layout, u16, u32, u64 } from '@bis/hyperv-types/struct'

const descriptor = layout(
  'vmpacket_descriptor',
  { type: u16, offset8: u16, len8: u16, flags: u16, trans_id: u64 },
  { size: 16 },
)
const range = layout('range', { byte_count: u32, byte_offset: u32, first_pfn: u64 }, { size: 16 })

const RECORDS = 4096
const ROUNDS = 2000
const memories = {
  ArrayBuffer: () => new ArrayBuffer(RECORDS * 32),
  SharedArrayBuffer: () => new SharedArrayBuffer(RECORDS * 32),
  'WebAssembly.Memory (shared)': () => new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true }).buffer,
}

function rawRead(view) {
  let sum = 0
  for (let base = 0; base < RECORDS * 32; base += 32) {
    sum = (sum + view.getUint16(base, true) + view.getUint16(base + 4, true) + view.getUint32(base + 8, true)) | 0
    sum = (sum + view.getUint32(base + 16, true) + view.getUint32(base + 20, true)) | 0
  }
  return sum
}

function layoutRead(view) {
  let sum = 0
  for (let base = 0; base < RECORDS * 32; base += 32) {
    sum =
      (sum + descriptor.type.get(view, base) + descriptor.len8.get(view, base) + descriptor.trans_id.low(view, base)) |
      0
    sum = (sum + range.byte_count.get(view, base + 16) + range.byte_offset.get(view, base + 16)) | 0
  }
  return sum
}

function rawWrite(view) {
  for (let base = 0; base < RECORDS * 32; base += 32) {
    view.setUint16(base, 6, true)
    view.setUint16(base + 4, base & 0xffff, true)
    view.setUint32(base + 8, base, true)
    view.setUint32(base + 12, 0, true)
    view.setUint32(base + 16, base * 3, true)
  }
  return 0
}

function layoutWrite(view) {
  for (let base = 0; base < RECORDS * 32; base += 32) {
    descriptor.type.set(view, base, 6)
    descriptor.len8.set(view, base, base & 0xffff)
    descriptor.trans_id.setWords(view, base, base, 0)
    range.byte_count.set(view, base + 16, base * 3)
  }
  return 0
}

function nanosecondsPerRecord(work, view) {
  for (let i = 0; i < 200; i++) work(view)
  let best = Infinity
  for (let sample = 0; sample < 5; sample++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < ROUNDS / 5; i++) work(view)
    best = Math.min(best, Number(process.hrtime.bigint() - start) / (ROUNDS / 5) / RECORDS)
  }
  return best
}

const rows = []
for (const [memory, make] of Object.entries(memories)) {
  const view = new DataView(make())
  for (const [name, raw, ours] of [
    ['read 5 fields', rawRead, layoutRead],
    ['write 5 words', rawWrite, layoutWrite],
  ]) {
    const plain = nanosecondsPerRecord(raw, view)
    const accessors = nanosecondsPerRecord(ours, view)
    rows.push({
      memory,
      work: name,
      'raw ns': plain.toFixed(2),
      'layout ns': accessors.toFixed(2),
      ratio: (accessors / plain).toFixed(2),
    })
  }
}
if (process.argv.includes('--json')) console.log(JSON.stringify(rows))
else console.table(rows)
