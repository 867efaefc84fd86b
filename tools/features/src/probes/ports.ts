import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deinstallPort, installPort, stagedModules } from '@bis/hyperv-is/node'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { allModules, controllerWith, disk, exercise, Lan, network, powerOn, ramDisk } from '../guest.ts'

/** The port is staged into a root folder, the machine runs on the modules found there, and removal leaves no trace. */
export const ports: Probe = async (cell) => {
  const root = await mkdtemp(join(tmpdir(), 'bis-ports-'))
  try {
    await mkdir(join(root, 'etc'))
    await writeFile(join(root, 'etc/fstab'), '/dev/label/rootfs / ufs rw 1 1\n/dev/label/swap none swap sw 0 0\n')
    await writeFile(join(root, 'etc/rc.conf'), 'hostname="probe"\n')
    const release = cell.profile.name
    const before = await listing(root)
    const builtIn = cell.profile.port.value === undefined
    if (builtIn) {
      const reason = await installPort({ root, release }).then(
        () => 'it was installed',
        (error: unknown) => String((error as { code?: unknown }).code),
      )
      want(reason === 'built-in', `the port on ${release}: ${reason}`)
    } else {
      await installPort({ root, release })
    }
    const found = await stagedModules(root, release)
    const names = found.filter(({ from }) => from !== 'missing').map(({ module }) => module)
    await using lan = new Lan(cell)
    const devices = [controllerWith(cell, ramDisk()), lan.adapter()]
    const modules = allModules().filter(({ name }) => names.includes(name))
    await using machine = await powerOn(cell, { devices, modules, loadBus: names.includes('hv_vmbus') })
    await exercise(disk(machine), 0, 65_536)
    want(network(machine).settings.up || network(machine).link.up, 'hn0 is dead')
    if (!builtIn) await deinstallPort({ root, release })
    want((await listing(root)) === before, 'the root folder is not as it was')
    const from = builtIn ? "the release's own kernel" : 'the staged folder'
    return {
      did: 'installed, booted from what is there, removed',
      saw: `${names.join(' ')} from ${from}; no trace left`,
    }
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

async function listing(root: string): Promise<string> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const lines = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name)
    return entry.isFile() ? `${path} ${await readFile(path, 'base64')}` : path
  })
  return (await Promise.all(lines)).sort().join('\n')
}
