import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Ended } from './bis-process.ts'
import { BisProcess } from './bis-process.ts'

let runtime: string
const machines: BisProcess[] = []
beforeEach(async () => {
  runtime = await mkdtemp(join(tmpdir(), 'bis-vm-'))
})
afterEach(async () => {
  await Promise.all(machines.splice(0).map((machine) => machine.end('SIGTERM')))
  await rm(runtime, { recursive: true, force: true })
})

const env = () => ({ XDG_RUNTIME_DIR: runtime })

function vm(...args: string[]): Promise<Ended> {
  return new BisProcess(['vm', ...args], { env: env() }).ended
}

async function stay(...args: string[]): Promise<BisProcess> {
  const machine = new BisProcess(['boot', '--stay', ...args], { env: env() })
  machines.push(machine)
  await machine.until(/hvheartbeat0: <Hyper-V Heartbeat>/)
  await new Promise((resolve) => setTimeout(resolve, 100))
  return machine
}

describe.each(['inline', 'worker'])('bis vm, root %s', (root) => {
  it('lists the machines that run, and shows one', async () => {
    await stay('--root', root, '--name', 'alpha', '--nic', 'switch', '--host', '2016')
    const list = await vm('list')
    expect([list.status, list.stderr]).toEqual([0, ''])
    expect(list.stdout).toMatch(/^alpha +running +00:00:\d\d +ok-unknown +Windows Server 2016$/m)
    const { stdout, status } = await vm('show', 'alpha')
    expect(status).toBe(0)
    for (const line of [
      /^State +Running$/m,
      /^VMBus +4\.0$/m,
      /^Heartbeat +OK \(no application data\)$/m,
      /^Heartbeat +ready +3\.0 +00:00:0\d ago$/m,
      /^hn0 +switch +00:15:5d:00:00:01 +- +ok$/m,
    ])
      expect(stdout).toMatch(line)
    const json = JSON.parse((await vm('show', 'alpha', '--json')).stdout)
    expect(json).toMatchObject({ name: 'alpha', state: 'running', generation: 2, processors: 2, vmbus: '4.0' })
  })

  it('shuts the guest down, which answers, goes through its devices, and is off', async () => {
    const machine = await stay('--root', root, '--name', 'stop')
    expect(await vm('stop', 'stop', '--reason', 'end of work')).toMatchObject({ status: 0, stderr: '', stdout: '' })
    const { status, stdout } = await machine.ended
    expect(status).toBe(0)
    expect(stdout).toContain('hvshutdown0: shutdown requested by the host: end of work\n')
    expect(stdout).toMatch(/vmbus0: detached\n.*\n?the machine is off: shutdown requested/)
    expect((await vm('list')).stdout.trim().split('\n')).toHaveLength(1)
  })

  it.each(['2025', '2012r2'])('restarts the guest of a host of %s', async (release) => {
    const machine = await stay('--root', root, '--name', 'again', '--host', release)
    const asked = performance.now()
    expect(await vm('restart', 'again', '--force')).toMatchObject({ status: 0, stderr: '' })
    await machine.until(/the machine is off: forced (restart|shutdown) requested[\s\S]*hvshutdown0: <Hyper-V Shutdown>/)
    const { uptime } = JSON.parse((await vm('show', 'again', '--json')).stdout)
    expect(uptime).toBeLessThanOrEqual(Math.round(performance.now() - asked))
    expect(await vm('stop', 'again')).toMatchObject({ status: 0, stderr: '' })
    expect((await machine.ended).status).toBe(0)
  })

  it('pulls the plug', async () => {
    const machine = await stay('--root', root, '--name', 'plug', '--nic', 'switch')
    expect(await vm('stop', 'plug', '--turn-off')).toMatchObject({ status: 0, stderr: '' })
    const { status, stdout } = await machine.ended
    expect([status, stdout.includes('the machine is off: turned off')]).toEqual([0, true])
  })

  it('sets the clock, interrupts, and says what a guest cannot', async () => {
    await stay('--root', root, '--name', 'many')
    for (const args of [
      ['time', 'many'],
      ['time', 'many', 'sample'],
      ['time', 'many', 'disable'],
    ]) {
      expect(await vm(...args)).toMatchObject({ status: 0, stderr: '' })
    }
    expect(await vm('time', 'many', 'fly')).toMatchObject({
      status: 2,
      stderr: 'bis: bis vm time: no "fly"; there is sync, sample, enable, disable\n',
    })
    expect(await vm('stop', 'many', '--hibernate')).toMatchObject({
      status: 1,
      stderr: 'bis: many: the guest refuses to hibernate: status 0x80004005\n',
    })
    expect((await vm('stop', 'many', '--timeout', '0')).stderr).toContain('--timeout 0: a number of seconds')
    expect((await vm('kldload', 'many', 'hv_balloon')).stderr).toMatch(
      /^bis: no module hv_balloon; there is hv_vmbus, /,
    )
    for (const args of [
      ['kldunload', 'many', 'hv_kvp'],
      ['kldload', 'many', 'hv_kvp'],
      ['nmi', 'many'],
    ]) {
      expect(await vm(...args)).toMatchObject({ status: 0, stderr: '' })
    }
  })
})

describe('bis vm', () => {
  it("is its owner's only", async () => {
    await stay('--name', 'beta')
    const folder = join(runtime, 'bis')
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(join(folder, 'beta.sock'))).mode & 0o777).toBe(0o600)
    await chmod(folder, 0o755)
    expect((await vm('list')).stdout).toMatch(/^beta/m)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
  })

  it('goes nowhere that is not its own', async () => {
    await mkdir(join(runtime, 'elsewhere'), { mode: 0o700 })
    await symlink(join(runtime, 'elsewhere'), join(runtime, 'bis'))
    const { status, stderr } = await vm('list')
    expect([status, stderr]).toEqual([
      1,
      `bis: ${runtime}/bis: not a directory of yours; remove it, or set XDG_RUNTIME_DIR\n`,
    ])
  })

  it('knows the socket of a machine that was killed, and removes it', async () => {
    const machine = await stay('--name', 'gamma')
    await machine.end('SIGKILL')
    expect(await readdir(join(runtime, 'bis'))).toEqual(['gamma.sock'])
    expect(await vm('show', 'gamma')).toMatchObject({
      status: 1,
      stderr: 'bis: no machine gamma is running; bis vm list shows those that are\n',
    })
    expect(await readdir(join(runtime, 'bis'))).toEqual([])
    await stay('--name', 'gamma')
    const twice = await new BisProcess(['boot', '--stay', '--name', 'gamma'], { env: env() }).ended
    expect([twice.status, twice.stderr]).toEqual([1, 'bis: a machine gamma is running already; give another --name\n'])
  })

  it('answers nonsense with one line, and lives on', async () => {
    const folder = join(runtime, 'bis')
    await mkdir(folder, { mode: 0o700 })
    await writeFile(join(folder, 'file.sock'), '')
    const server = createServer((socket) => socket.end('nonsense\n'))
    await new Promise<void>((resolve) => server.listen(join(folder, 'odd.sock'), resolve))
    expect(await vm('show', 'odd')).toMatchObject({
      status: 1,
      stderr: 'bis: what arrived at the control socket is no JSON object\n',
    })
    server.close()
  })

  it.each<[string[], string]>([
    [[], 'bis vm: what is to be done is missing; see bis vm --help'],
    [['dance', 'x'], 'bis vm: no "dance"; there is list, '],
    [['show'], 'bis vm show: NAME is missing; bis vm list shows the names'],
    [['show', 'x', 'y'], 'bis vm'],
    [['show', '../x'], '"../x" is no machine\'s name'],
    [['list', 'x'], 'bis vm list: unexpected argument "x"'],
  ])('says in one line what is wrong with %j', async (args, message) => {
    const { status, stderr, stdout } = await vm(...args)
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })
})
