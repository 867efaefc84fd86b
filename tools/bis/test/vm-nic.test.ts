import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FrameStream } from '@bis/host/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Ended } from './bis-process.ts'
import { BisProcess } from './bis-process.ts'

let folder: string
const running: BisProcess[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-nic-'))
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((process) => process.end('SIGTERM')))
  await rm(folder, { recursive: true, force: true })
})

const env = () => ({ XDG_RUNTIME_DIR: folder })

function start(...args: string[]): BisProcess {
  const process = new BisProcess(args, { env: env() })
  running.push(process)
  return process
}

const vm = (...args: string[]): Promise<Ended> => new BisProcess(['vm', ...args], { env: env() }).ended

async function done(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await vm(...args)
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

/** Adds, unplugs, moves and removes NICs of a running machine; `dmesg` has what its guest prints. */
async function steer(name: string, dmesg: BisProcess): Promise<void> {
  expect(await done('nic', 'add', name, 'switch,mac=00:15:5d:01:02:03')).toBe('hn1\n')
  await dmesg.until(/hn1: Ethernet address: 00:15:5d:01:02:03/)
  await done('nic', 'disconnect', name, 'hn1')
  await dmesg.until(/hn1: link state changed to DOWN/)
  expect(await done('show', name)).toMatch(/^hn1 +not connected /m)
  const path = join(folder, 'lan')
  await using _lan = await FrameStream.listen(path, { onFrame: () => true })
  await done('nic', 'connect', name, 'hn1', `stream:${path}`)
  await dmesg.until(/hn1: link state changed to DOWN(.|\n)*hn1: link state changed to UP/)
  expect(await done('show', name)).toMatch(new RegExp(`^hn1 +stream:${path} `, 'm'))
  await done('nic', 'vlan', name, '00:15:5d:01:02:03', '7')
  await done('nic', 'remove', name, 'hn1')
  await dmesg.until(/hn1: detached/)
  const { status, stderr } = await vm('nic', 'remove', name, 'hn1')
  expect([status, stderr]).toEqual([2, 'bis: no NIC "hn1"; there is hn0\n'])
}

describe('bis vm nic', () => {
  it.each(['inline', 'worker'])('steers a machine of bis boot, root %s', async (root) => {
    const machine = start('boot', '--root', root, '--stay', '--name', 'one', '--nic', 'switch')
    await machine.until(/hn0: ok/)
    await steer('one', machine)
    for (const [args, message] of [
      [['nic', 'add', 'one', 'bridge'], /choose none, switch/],
      [['nic', 'add', 'one', 'switch,mac=00:15:5d:00:00:01'], /hn0 has the address/],
      [['nic', 'vlan', 'one', 'hn0'], /bis vm nic vlan NAME NIC ID/],
      [['nic', 'vlan', 'one', 'hn0', '5000'], /1 to 4094/],
      [['nic', 'twist', 'one'], /no "twist"; there is add, remove/],
      [['nic', 'connect', 'one', 'hn0', 'stream:/none/none'], /start what listens there first/],
    ] as const) {
      const { status, stderr } = await vm(...args)
      expect(stderr).toMatch(message)
      expect(status).toBeGreaterThan(0)
    }
    await done('nic', 'add', 'one', 'switch,mac=00:15:5d:0a:0b:0c,vlan=9')
    await done('restart', 'one')
    await machine.until(/the machine is off(.|\n)*hn1: Ethernet address: 00:15:5d:0a:0b:0c(.|\n)*hn1: ok/)
    expect((await machine.end()).status).toBe(0)
  })

  it('steers a machine of bis host, whose guest is in another process', async () => {
    const socket = join(folder, 'root')
    const host = start('host', '--socket', socket, '--name', 'two', '--nic', 'switch')
    await host.until(/root partition at/)
    const guest = start('boot', '--stay', '--root', `socket:${socket}`)
    await guest.until(/hn0: ok/)
    await steer('two', guest)
    expect((await guest.end()).status).toBe(0)
    expect((await host.end()).status).toBe(0)
  })
})
