import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const run = promisify(execFile)

/** A format as qemu-img is told to make it. */
export interface ImageFormat {
  readonly name: string
  readonly file: string
  readonly args: readonly string[]
  /** What qemu-img calls it when it reads it. */
  readonly qemu: string
  /** Whether `qemu-img check` knows the format. */
  readonly checked: boolean
}

export const FORMATS: readonly ImageFormat[] = [
  { name: 'raw', file: 'disk.img', args: ['-O', 'raw'], qemu: 'raw', checked: false },
  {
    name: 'fixed VHD',
    file: 'fixed.vhd',
    args: ['-O', 'vpc', '-o', 'subformat=fixed,force_size=on'],
    qemu: 'vpc',
    checked: false,
  },
  {
    name: 'dynamic VHD',
    file: 'dynamic.vhd',
    args: ['-O', 'vpc', '-o', 'subformat=dynamic,force_size=on'],
    qemu: 'vpc',
    checked: false,
  },
  { name: 'VHDX', file: 'disk.vhdx', args: ['-O', 'vhdx', '-o', 'block_size=1M'], qemu: 'vhdx', checked: true },
]

/** A raw image with an ext4 file system full of files of many sizes. */
export async function makeFilesystemImage(folder: string, megabytes = 48): Promise<string> {
  const content = join(folder, 'content')
  await mkdir(content, { recursive: true })
  for (let i = 0; i < 60; i++) {
    const data = Buffer.alloc((i * i * 331) % 600_000)
    for (let at = 0; at < data.length; at++) data[at] = ((at * (i + 1) * 40_503) >>> 8) & 0xff
    await writeFile(join(content, `file-${i}`), data)
  }
  const image = join(folder, 'filesystem.raw')
  await run('mke2fs', ['-q', '-t', 'ext4', '-d', content, image, `${megabytes}M`])
  return image
}

/** SHA-256 of what qemu-img reads from an image. */
export async function hashByQemu(image: string, format: string): Promise<string> {
  const raw = `${image}.converted`
  await run('qemu-img', ['convert', '-f', format, '-O', 'raw', image, raw])
  return hashFile(raw)
}

export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
