import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Ended } from './bis-process.ts'
import { BisProcess, bis } from './bis-process.ts'

let folder: string
const processes: BisProcess[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-guests-'))
})
afterEach(async () => {
  for (const process of processes.splice(0).reverse()) await process.end('SIGTERM')
  await rm(folder, { recursive: true, force: true })
})

const env = () => ({ XDG_RUNTIME_DIR: folder })
const path = (name: string): string => join(folder, name)

function vm(...args: string[]): Promise<Ended> {
  return new BisProcess(['vm', ...args], { env: env() }).ended
}

async function run(until: RegExp, ...args: string[]): Promise<BisProcess> {
  const process = new BisProcess(args, { env: env() })
  processes.push(process)
  await process.until(until)
  return process
}

const okay = { status: 0, stderr: '' }

/** What `bis vm` does with the guest called `name`, whoever plays its root; its files are in `files`. */
async function steer(name: string): Promise<void> {
  await writeFile(path('source.bin'), Buffer.alloc(300_000, 7))
  expect(await vm('copy-file', name, path('source.bin'), '/in/the/guest/', '--create-path')).toMatchObject(okay)
  expect(await vm('copy-file', name, path('source.bin'), '/other-name')).toMatchObject(okay)
  expect((await readFile(path('files/in/the/guest/source.bin'))).equals(await readFile(path('source.bin')))).toBe(true)
  expect((await readFile(path('files/other-name'))).length).toBe(300_000)
  expect(await vm('copy-file', name, path('source.bin'), '/other-name')).toMatchObject({
    status: 1,
    stderr: `bis: ${name}: the guest refuses the file (start): the file is there already\n`,
  })
  expect(await vm('copy-file', name, path('source.bin'), '/other-name', '--overwrite')).toMatchObject(okay)
  expect((await vm('copy-file', name, path('missing'), '/x')).stderr).toBe(`bis: ${path('missing')}: no such file\n`)
  expect(await vm('copy-file', name, path('source.bin'), 'relative')).toMatchObject({ status: 2 })
  expect(await vm('copy-file', name, path('source.bin'), '/../out')).toMatchObject({ status: 1 })
  expect(await vm('copy-file', name, path('source.bin'), '/link/out')).toMatchObject({ status: 1 })
  expect(await readdir(path('outside'))).toEqual([])

  const taken = await vm('checkpoint', name, path('checkpoint'))
  expect(taken).toMatchObject(okay)
  expect(taken.stdout).toBe(`application-consistent\n${path('checkpoint')}/0-disk.vhdx\n`)
  expect((await bis('disk', 'check', path('checkpoint/0-disk.vhdx'))).status).toBe(0)
  expect(await vm('checkpoint', name, path('checkpoint'))).toMatchObject({ status: 1 })
  const standard = await vm('checkpoint', name, path('standard'), '--type', 'standard', '--json')
  expect(JSON.parse(standard.stdout)).toMatchObject({ consistency: 'crash' })
  expect(await vm('time', name)).toMatchObject(okay)
  const shown = (await vm('show', name)).stdout
  for (const line of [/^Heartbeat +OK/m, /^VSS +ready +7\.0/m, /^Guest Services +ready +1\.1/m, /disk\.vhdx +scsi/m])
    expect(shown).toMatch(line)
}

beforeEach(async () => {
  for (const name of ['files', 'outside']) await mkdir(path(name))
  await symlink(path('outside'), path('files/link'))
  expect((await bis('disk', 'create', path('disk.vhdx'), '64m')).status).toBe(0)
})

describe('bis vm on guests', () => {
  it.each(['inline', 'worker'])(
    'works on a machine under bis boot --stay, root %s',
    { timeout: 120_000 },
    async (root) => {
      const files = ['--files', path('files')]
      const machine = await run(
        /da0: ok/,
        'boot',
        '--root',
        root,
        '--stay',
        '--name',
        'near',
        '--disk',
        path('disk.vhdx'),
        ...files,
      )
      await steer('near')
      expect(await vm('stop', 'near')).toMatchObject(okay)
      expect((await machine.ended).status).toBe(0)
    },
  )

  it("works on a stranger's guest under bis host", { timeout: 120_000 }, async () => {
    const socket = path('root.socket')
    const disk = ['--disk', path('disk.vhdx')]
    await run(/root partition at/, 'host', '--socket', socket, '--name', 'far', ...disk)
    expect((await vm('show', 'far')).stdout).toMatch(/^State +Off$/m)
    expect(await vm('stop', 'far')).toMatchObject({ status: 1, stderr: 'bis: far is off: no guest is connected\n' })
    const boot = ['boot', '--stay', '--root', `socket:${socket}`, '--files', path('files')]
    const guest = await run(/da0: ok/, ...boot)
    await steer('far')
    expect((await vm('show', 'far')).stdout).toMatch(/^Time Synchronization +ready +3\.0/m)
    expect((await vm('nmi', 'far')).stderr).toContain('its hypervisor is in another process')
    expect(await vm('stop', 'far', '--reason', 'enough')).toMatchObject(okay)
    const { stdout, status } = await guest.ended
    expect([status, stdout.includes('hvshutdown0: shutdown requested by the host: enough')]).toEqual([0, true])
    const again = await run(/da0: ok/, ...boot)
    expect(await vm('restart', 'far')).toMatchObject(okay)
    await again.until(/the machine is off: restart requested[\s\S]*da0: ok/)
    expect(await vm('stop', 'far', '--turn-off')).toMatchObject(okay)
    expect((await again.ended).stderr).toContain('the root is gone')
  })

  it('says in one line what cannot be copied, and where no checkpoint can go', async () => {
    await run(/da0: ok/, 'boot', '--stay', '--name', 'odd', '--disk', path('disk.vhdx'), '--files', path('files'))
    expect(spawnSync('mkfifo', [path('pipe')]).status).toBe(0)
    for (const [args, message] of [
      [['copy-file', 'odd', path('pipe'), '/x'], /pipe: is no regular file$/m],
      [['checkpoint', 'odd', path('files')], /files: exists already$/m],
      [['checkpoint', 'odd', path('none/copy')], /there is no folder .*none$/m],
      [['nic', 'add', 'odd', `replay:${path('none')}`], /--nic replay:.*none: no such file$/m],
    ] as const) {
      const { status, stderr } = await vm(...args)
      expect([status, stderr]).toEqual([1, expect.stringMatching(message)])
    }
  })

  it('says of a guest that takes no files that it takes none', async () => {
    await run(/vmbus0: version/, 'boot', '--stay', '--name', 'none')
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await vm('copy-file', 'none', path('disk.vhdx'), '/x')).toMatchObject({
      status: 1,
      stderr: 'bis: none: the guest refuses the file (start): status 0x80004005\n',
    })
    expect((await vm('checkpoint', 'none', path('x'))).stderr).toBe('bis: none has no disks\n')
    expect(await vm('checkpoint', 'none', path('x'), '--type', 'odd')).toMatchObject({
      status: 2,
      stderr: 'bis: --type odd: choose production, production-only, standard\n',
    })
  })
})
