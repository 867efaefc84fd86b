import { checkAzure, convert, create, MemoryBackend, open } from '@bis/vhdx'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { controllerWith, disk, MIB, pattern, powerOn, same } from '../guest.ts'

/** A raw image of an odd size becomes what Azure takes; a VHDX is refused with the reason; the result boots. */
export const azureImage: Probe = async (cell) => {
  const raw = await create(new MemoryBackend(), { format: 'raw', type: 'fixed', sizeBytes: 5 * MIB + 512 })
  const data = pattern(65_536)
  await raw.write(MIB, data)
  const medium = new MemoryBackend()
  await convert(raw, medium, { format: 'vhd', azure: true })
  const refusals = await checkAzure(medium)
  want(refusals.length === 0, refusals.map(({ message }) => message).join('; '))
  // Azure's rules, read off the file itself: a footer of 512 bytes behind whole mebibytes, disk type 2 (fixed).
  const footer = new Uint8Array(512)
  await medium.read(6 * MIB, footer)
  const view = new DataView(footer.buffer)
  const [size, type] = [view.getUint32(52), view.getUint32(60)]
  want((await medium.size()) === 6 * MIB + 512, `a file of ${await medium.size()} bytes`)
  want(new TextDecoder().decode(footer.subarray(0, 8)) === 'conectix', 'no footer behind the data')
  want(size === 6 * MIB && type === 2, `the footer tells of a disk of type ${type} with ${size} bytes`)
  const vhdx = new MemoryBackend()
  const other = await create(vhdx, { sizeBytes: 8 * MIB })
  await other.close()
  const [reason] = await checkAzure(vhdx)
  want(reason?.code === 'vhdx', 'a VHDX was not refused')
  await using image = await open(medium)
  want(image.sizeBytes === 6 * MIB, `the disk has ${image.sizeBytes} bytes`)
  await using machine = await powerOn(cell, { devices: [controllerWith(cell, image)] })
  const back = new Uint8Array(data.length)
  await disk(machine).read(MIB, back)
  want(same(back, data), 'the guest read other bytes')
  return {
    did: 'converted a raw image of 5 MiB and a sector, checked it, booted from it',
    saw: `a fixed VHD of 6 MiB and its footer, not refused, which the guest reads; a VHDX is refused: ${reason.message}`,
  }
}
