import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Ended } from './bis-process.ts'
import { BIS, BisProcess, bis, exportDisk } from './bis-process.ts'
import { NbdClient } from './nbd-client.ts'

const MIB = 2 ** 20
const isRoot = process.getuid?.() === 0

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-errors-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** One clear line on standard error, nothing else, and the status of a failure. */
function expectOneLine({ status, stdout, stderr }: Ended, pattern: RegExp, expected = 1): void {
  expect(stderr).toMatch(pattern)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stderr).not.toMatch(/ at .*:\d+:\d+/)
  expect(stdout).toBe('')
  expect(status).toBe(expected)
}

async function makeVhdx(name = 'disk.vhdx', size = '64m'): Promise<string> {
  const path = join(folder, name)
  expect(await bis('disk', 'create', path, size, '--block-size', '1m')).toMatchObject({ status: 0, stderr: '' })
  return path
}

const COMMANDS: Readonly<Record<string, (file: string) => string[]>> = {
  'disk info': (file) => ['disk', 'info', file],
  boot: (file) => ['boot', '--disk', file],
  nbd: (file) => ['nbd', '--disk', file, '--socket', `${file}.socket`],
}

describe.each(Object.entries(COMMANDS))('bis %s with a file that is not what it should be', (_, args) => {
  it('missing', async () => {
    expectOneLine(await bis(...args(join(folder, 'none.vhdx'))), /none\.vhdx: no such file/)
  })

  it('a directory', async () => {
    expectOneLine(await bis(...args(folder)), /is a directory/)
  })

  it('named .vhdx, but something else', async () => {
    const path = join(folder, 'text.vhdx')
    await writeFile(path, 'This is a text.\n'.repeat(100))
    expectOneLine(await bis(...args(path)), /text\.vhdx.*no VHDX signature/)
  })

  it('a pipe', async () => {
    const path = join(folder, 'pipe')
    expect(spawnSync('mkfifo', [path]).status).toBe(0)
    expectOneLine(await bis(...args(path)), /pipe: is a pipe/)
  })

  it('empty', async () => {
    const path = join(folder, 'empty.img')
    await writeFile(path, '')
    expectOneLine(await bis(...args(path)), /empty\.img.*empty/)
  })

  it('a truncated VHDX', async () => {
    const path = await makeVhdx()
    await truncate(path, 2.5 * MIB)
    expectOneLine(await bis(...args(path)), /disk\.vhdx.*(truncated|ends|short)/i)
  })

  it('a VHDX with both headers broken', async () => {
    const path = await makeVhdx()
    const file = await open(path, 'r+')
    for (const header of [64 * 1024, 128 * 1024]) await file.write(Buffer.from([0xff]), 0, 1, header + 100)
    await file.close()
    const before = await readFile(path)
    expectOneLine(await bis(...args(path)), /disk\.vhdx.*(checksum|header)/i)
    expect(Buffer.compare(await readFile(path), before)).toBe(0)
  })

  it.skipIf(!isRoot)('without permission (needs root, to become nobody)', async () => {
    const path = await makeVhdx()
    await chmod(path, 0o600)
    await chmod(folder, 0o755)
    const { status, stderr } = spawnSync(process.execPath, [BIS, ...args(path)], { uid: 65_534, encoding: 'utf8' })
    expect(stderr).toMatch(/disk\.vhdx: permission denied/)
    expect(status).toBe(1)
  })
})

describe('command lines that make no sense', () => {
  it.each([
    [['frobnicate'], /no command "frobnicate"/],
    [['boot', '--host', 'nt4'], /--host "nt4".*2008r2/],
    [['boot', '--cpus', '0'], /--cpus is a number from 1/],
    [['boot', '--memory', 'lots'], /"lots" is not a size/],
    [['boot', '--frob'], /Unknown option '--frob'/],
    [['boot', 'disk.vhdx'], /unexpected argument "disk\.vhdx"/],
    [['boot', '--disk', 'a.vhdx,bus=usb'], /"bus=usb" is none/],
    [['nbd', '--disk', 'a.vhdx'], /--socket PATH is missing/],
    [['disk', 'create', 'a.vhdx', '10q'], /"10q" is not a size/],
    [['disk', 'info'], /give one FILE/],
  ] as [string[], RegExp][])('bis %j', async (args, pattern) => {
    expectOneLine(await bis(...args), pattern, 2)
  })
})

describe('what is in the way is left alone', () => {
  it('a file that exists is not overwritten', async () => {
    const path = await makeVhdx()
    const before = await readFile(path)
    expectOneLine(await bis('disk', 'create', path, '1g'), /disk\.vhdx.*exists/)
    expect(Buffer.compare(await readFile(path), before)).toBe(0)
  })

  it('a socket path in use', async () => {
    const path = await makeVhdx()
    const socket = join(folder, 'socket')
    await writeFile(socket, '')
    expectOneLine(await bis('nbd', '--disk', path, '--socket', socket), /cannot listen on .*socket/)
    expect((await stat(socket)).isFile()).toBe(true)
  })

  it.each([
    ['nbd', '--disk', 'DISK', '--socket', 'none/socket'],
    ['net', '--nic', 'switch', '--socket', 'none/socket'],
    ['host', '--socket', 'none/socket'],
    ['boot', '--nic', 'stream:none/socket,server'],
  ])('a socket in a folder that is not there: bis %s', async (...args) => {
    const path = await makeVhdx()
    expectOneLine(
      await bis(...args.map((word) => word.replace('DISK', path).replace('none', join(folder, 'none')))),
      /there is no folder .*none$/m,
    )
  })

  it('an image that is open already', async () => {
    const path = await makeVhdx()
    expectOneLine(await bis('boot', '--disk', path, '--disk', path), /disk\.vhdx.*open/)
  })
})

describe('output that cannot be written', () => {
  it.skipIf(!existsSync('/dev/full'))('is an error of one line', async () => {
    const path = await makeVhdx()
    for (const args of [['disk', 'info', path], ['boot', '--disk', path], ['--help']]) {
      const full = await open('/dev/full', 'w')
      const { status, stderr } = spawnSync(process.execPath, [BIS, ...args], {
        stdio: ['ignore', full.fd, 'pipe'],
        encoding: 'utf8',
      })
      await full.close()
      expect([status, stderr]).toEqual([1, 'bis: standard output: no space left on the disk\n'])
    }
  })
})

describe('Ctrl-C', () => {
  it('ends bis nbd in good order: everything written is in the image, the socket is gone', async () => {
    const path = await makeVhdx()
    const socket = join(folder, 'socket')
    const { process } = await exportDisk(path, socket)
    const client = await NbdClient.connect(socket)
    const data = Buffer.alloc(MIB, 0x5a)
    const writes = Array.from({ length: 16 }, (_, i) => client.write(i * MIB, data))
    expect(await writes[0]).toBe(0)
    const ended = await process.end('SIGINT')
    expect(ended).toMatchObject({ status: 0, stderr: '' })
    const done = await Promise.all(writes)
    client.destroy()
    expect(await readdir(folder)).toEqual(['disk.vhdx'])
    const again = await exportDisk(path, socket)
    expect(done.filter((error) => error === 0).length).toBeGreaterThan(0)
    expect((await again.process.end()).status).toBe(0)
  })

  it('ends bis start with status 130 and no files behind', async () => {
    const temp = join(folder, 'tmp')
    await mkdir(temp)
    const process = new BisProcess(['start'], { env: { TMPDIR: temp } })
    await process.until(/vmbus0/)
    const { status, stderr } = await process.end('SIGINT')
    expect([0, 130]).toContain(status)
    expect(stderr).toBe('')
    expect(await readdir(temp)).toEqual([])
  })
})

describe.skipIf(!isRoot || spawnSync('mount', ['--version']).status !== 0)(
  'a full disk (needs root, to mount a small one)',
  () => {
    let small: string
    let exported: BisProcess | undefined
    beforeEach(async () => {
      small = join(folder, 'small')
      await mkdir(small)
      expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small]).status).toBe(0)
    })
    afterEach(async () => {
      await exported?.end('SIGKILL')
      exported = undefined
      expect(spawnSync('umount', [small]).status).toBe(0)
    })

    async function fill(): Promise<void> {
      await writeFile(join(small, 'filler'), Buffer.alloc(8 * MIB - 65_536))
    }

    it('while creating: one line, no half image', async () => {
      await fill()
      expectOneLine(await bis('disk', 'create', join(small, 'disk.vhdx'), '64m'), /disk\.vhdx.*no space/i)
      expect(await readdir(small)).toEqual(['filler'])
    })

    it('while capturing: one line, and the rest goes on', async () => {
      await writeFile(join(small, 'filler'), Buffer.alloc(8 * MIB))
      const capture = ['--nic', 'switch', '--capture', join(small, 'lan.pcapng')]
      const { status, stdout, stderr } = await bis('boot', '--disk', await makeVhdx(), ...capture)
      expect(stderr).toBe(
        `bis: --capture ${join(small, 'lan.pcapng')}: no space left on the disk; the end of the capture is missing\n`,
      )
      expect([status, stdout]).toEqual([1, expect.stringMatching(/^da0: ok(.|\n)*vmbus0: detached\n$/m)])
    })

    it('while writing through bis nbd: the client gets ENOSPC, the image stays whole and holds what was written', async () => {
      const path = join(small, 'disk.vhdx')
      expect((await bis('disk', 'create', path, '64m', '--block-size', '1m')).status).toBe(0)
      const socket = join(folder, 'socket')
      const { process } = await exportDisk(path, socket)
      exported = process
      const client = await NbdClient.connect(socket)
      const errors: number[] = []
      for (let i = 0; i < 12; i++) errors.push(await client.write(i * MIB, Buffer.alloc(MIB, i + 1)))
      expect(errors[0]).toBe(0)
      expect(errors.at(-1)).toBe(28)
      await client.flush()
      client.destroy()
      const { stderr } = await process.end()
      expect(stderr).toMatch(/da0: .*no space/i)
      expect(stderr.trimEnd().split('\n')).toHaveLength(1)
      expect(await bis('disk', 'info', path)).toMatchObject({ status: 0, stderr: '' })
    })

    it('while bis start makes its disk: one line, nothing left', async () => {
      await fill()
      const { status, stderr } = await new BisProcess(['start'], { env: { TMPDIR: small } }).ended
      expect(stderr).toMatch(/no space/i)
      expect(stderr.trimEnd().split('\n')).toHaveLength(1)
      expect(status).toBe(1)
      expect(await readdir(small)).toEqual(['filler'])
    })
  },
)
