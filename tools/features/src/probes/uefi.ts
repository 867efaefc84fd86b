import { createHash } from 'node:crypto'
import { gen1Chipset } from '@bis/host'
import { findBootLoader, LOADER_PATHS, makeBootDisk } from '@bis/uefi'
import type { VirtualDisk } from '@bis/vhdx'
import { create, MemoryBackend } from '@bis/vhdx'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { controllerWith, disk, MIB, pattern, powerOn } from '../guest.ts'

const LOADER = pattern(150_001, 9)

/** The host puts a loader on a VHDX; the guest finds its EFI system partition through storvsc, also by the backup GPT. */
export const uefi: Probe = async (cell) => {
  await using image = await bootImage()
  await using machine = await powerOn(cell, { generation: 2, devices: [controllerWith(cell, image)] })
  const { path, bytes, partition, fileSystem } = await findBootLoader(disk(machine))
  want(partition?.type === 'efi', 'found elsewhere than on the EFI system partition')
  want(sha256(bytes) === sha256(LOADER), `${path} reads otherwise than the host wrote it`)
  await image.write(512, new Uint8Array(512))
  const again = await findBootLoader(disk(machine))
  want(again.damage !== undefined, 'the primary GPT is gone, and nobody noticed')
  want(sha256(again.bytes) === sha256(LOADER), 'by the backup GPT the loader reads otherwise')
  return {
    did: 'put a loader on the EFI system partition of a VHDX, booted, later wiped the primary GPT',
    saw: `da0 has ${path} on ${fileSystem}, ${bytes.length} bytes, SHA-256 ${sha256(bytes).slice(0, 16)}; so by the backup`,
  }
}

/** There are generation 1 machines only: the same disk is one for data. */
export const noUefi: Probe = async (cell) => {
  await using image = await bootImage()
  const devices = [controllerWith(cell, image)]
  await using machine = await powerOn(cell, { generation: 1, devices, chipset: gen1Chipset([]) })
  want(machine.tree.find('pci0') !== undefined, 'a generation 1 machine without PCI bus')
  const { path, bytes } = await findBootLoader(disk(machine))
  want(sha256(bytes) === sha256(LOADER), `${path} reads otherwise than the host wrote it`)
  return { did: 'gave the disk to a generation 1 machine', saw: `it boots as ever; ${path} is a file like any other` }
}

async function bootImage(): Promise<VirtualDisk> {
  const bytes = makeBootDisk([{ path: LOADER_PATHS.x64, data: LOADER }], { sizeBytes: 8 * MIB })
  const image = await create(new MemoryBackend(), { sizeBytes: bytes.length, blockSize: MIB })
  await image.write(0, bytes)
  return image
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
