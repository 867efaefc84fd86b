import type { BlockDevice, EthernetInterface } from '@bis/hyperv-types'
import { formatMac } from '@bis/hyperv-types/ethernet'
import { BootLoaderError, findBootLoader, readDiskContents } from '@bis/uefi'
import { formatSize } from './size.ts'

/** What the self-test of a device found; a failure is an error. */
export interface SelfTest {
  readonly device: string
  readonly passed: boolean
  readonly text: string
}

/** Reads from both ends and the middle of a disk, and its partition table; writes nothing. */
export async function testDisk(disk: BlockDevice): Promise<SelfTest> {
  const { blockSize, blockCount } = disk.geometry
  try {
    const target = new Uint8Array(Math.min(8, blockCount) * blockSize)
    for (const block of [0, Math.floor(blockCount / 2), blockCount - 8]) {
      const start = Math.max(0, Math.min(block, blockCount - target.length / blockSize))
      await disk.read(start * blockSize, target)
    }
    const { table, volumes } = await readDiskContents(disk)
    const files = volumes.reduce((sum, volume) => sum + volume.files.length, 0)
    const found =
      table.scheme === 'none' ? 'no partition table' : `${table.scheme}, ${table.partitions.length} partitions`
    const text = `${formatSize(blockSize * blockCount)}, ${found}${volumes.length > 0 ? `, ${files} files on FAT` : ''}`
    return { device: disk.name, passed: true, text: `${text}${await loaderOf(disk)}` }
  } catch (error) {
    return { device: disk.name, passed: false, text: error instanceof Error ? error.message : String(error) }
  }
}

async function loaderOf(disk: BlockDevice): Promise<string> {
  try {
    const { path, bytes } = await findBootLoader(disk)
    return `, UEFI loader ${path} (${formatSize(bytes.length)})`
  } catch (error) {
    if (error instanceof BootLoaderError) return ''
    throw error
  }
}

/** Looks at a NIC, and sends one frame that no one answers when its link is up. */
export function testNetwork(network: EthernetInterface): SelfTest {
  const { settings, link, capabilities } = network
  const frame = new Uint8Array(60)
  frame.fill(0xff, 0, 6)
  frame.set(settings.address, 6)
  // EtherType for local experiments (IEEE 802).
  frame.set([0x88, 0xb5], 12)
  const sent = network.transmit(frame, 0, frame.length)
  const passed = settings.up && (sent === 0 || !link.up)
  const state = link.up ? `link up, ${link.speed / 1e9} Gbit/s` : 'no link'
  const text = `${formatMac(settings.address)}, ${state}, MTU ${settings.mtu}, ${capabilities.queues} queues`
  return { device: network.name, passed, text }
}
