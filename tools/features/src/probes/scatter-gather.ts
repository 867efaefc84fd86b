import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { controllerWith, pattern, powerOn, ramDisk, same, scsiDisk } from '../guest.ts'

const PAGE = 4096

/** One request over pages far apart, the first beginning and the last ending inside a page. */
export const scatterGather: Probe = async (cell) => {
  const backend = ramDisk()
  await using machine = await powerOn(cell, { devices: [controllerWith(cell, backend)] })
  const { pages } = machine.kernel
  const runs = Array.from({ length: 9 }, () => pages.allocate(1))
  // Every other page, backwards: nothing is contiguous.
  const list = runs.filter((_, i) => i % 2 === 0).reverse()
  const data = pattern(4 * PAGE)
  const parts: Uint8Array[] = []
  let at = 0
  for (const [i, { bytes }] of list.entries()) {
    const part = i === 0 ? bytes.subarray(1000) : bytes.subarray(0, Math.min(PAGE, data.length - at))
    part.set(data.subarray(at, at + part.length))
    parts.push(part)
    at += part.length
  }
  const target = scsiDisk(machine)
  const bounced = (): unknown => machine.kernel.sysctl.get('dev.storvsc.0.data_vaddr_cnt')
  const before = bounced()
  await target.execute([0x2a, 0, 0, 0, 0, 8, 0, 0, 32, 0], { dataOut: parts })
  want(bounced() === before, 'the pages were not used where they are')
  const seen = new Uint8Array(data.length)
  await backend.read(8 * 512, seen)
  want(same(seen, data), "the host's disk has other bytes")
  for (const part of parts) part.fill(0)
  await target.execute([0x28, 0, 0, 0, 0, 8, 0, 0, 32, 0], { dataIn: parts })
  want(bounced() === before, 'the pages were not read into where they are')
  const back = Buffer.concat(parts)
  want(same(back, data), 'the pages have other bytes after reading')
  for (const run of runs) pages.free(run)
  return {
    did: `wrote and read ${data.length} bytes, one request each, in ${parts.length} pages that are not contiguous, unaligned at both ends`,
    saw: "every byte on the host's disk and back in the pages; no bounce buffer used",
  }
}
