import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const FSTAB = `# Device\tMountpoint\tFStype\tOptions\tDump\tPass
/dev/label/rootfs\t/\tufs\trw\t1\t1
/dev/label/swap\tnone\tswap\tsw\t0\t0
`

/** A small FreeBSD root folder. */
export async function makeRoot(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'bis-root-'))
  const all = {
    'etc/fstab': FSTAB,
    'etc/rc.conf': 'hostname="guest"\n',
    'boot/loader.conf': 'autoboot_delay="3"\nhv_vmbus_load="NO"',
    ...files,
  }
  for (const [path, text] of Object.entries(all)) {
    await mkdir(join(root, path, '..'), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return root
}

/** Every file and folder below the root with mode and content, to be compared. */
export async function snapshot(root: string): Promise<Record<string, string>> {
  const all: Record<string, string> = {}
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(root.length + 1)
    if (entry.isSymbolicLink()) all[name] = `-> ${await readlink(path)}`
    else if (entry.isDirectory()) all[name] = 'folder'
    else all[name] = `${((await stat(path)).mode & 0o777).toString(8)} ${await readFile(path, 'base64')}`
  }
  return all
}

/** Lets nobody write below the root folder: by a mount for the superuser, whom modes do not stop. @returns how to end it */
export async function makeReadOnly(root: string): Promise<() => Promise<void>> {
  if (process.getuid?.() === 0) {
    execFileSync('mount', ['--bind', root, root])
    execFileSync('mount', ['-o', 'remount,bind,ro', root])
    return async () => void execFileSync('umount', [root])
  }
  const folders = ['', 'boot', 'etc'].map((name) => join(root, name))
  for (const folder of folders) await chmod(folder, 0o555)
  return async () => {
    for (const folder of folders) await chmod(folder, 0o755)
  }
}
