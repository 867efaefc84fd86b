import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { BisProcess } from '../../bis-process.ts'
import { havePrograms } from '../../programs.ts'
import { complaints, tshark } from './capture.ts'
import { Lan } from './lan.ts'
import { Namespace, whyNoNamespaces } from './namespace.ts'
import { QemuHub } from './qemu-hub.ts'

const PROGRAMS = ['qemu-system-x86_64', 'ip', 'ping', 'nsenter', 'unshare', 'tshark']
const why = havePrograms(...PROGRAMS) ? whyNoNamespaces() : `not all of ${PROGRAMS.join(', ')} are here`

let lan: Lan | undefined
const running: BisProcess[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((process) => process.end('SIGKILL')))
  await lan?.[Symbol.asyncDispose]()
})

describe.skipIf(why !== undefined)(`bis net${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  const roots = ['inline', 'worker']
  it(`joins two namespaces by way of two guests, roots ${roots.join(' and ')}`, { timeout: 60_000 }, async () => {
    lan = await Lan.create()
    const { folder } = lan
    const wire = join(folder, 'wire')
    const namespaces: Namespace[] = []
    for (const [n, root] of roots.entries()) {
      const socket = join(folder, `net${n}`)
      const nic = `stream:${wire}${n === 0 ? ',server' : ''}`
      const capture = join(folder, `${n}.pcapng`)
      const args = ['--nic', nic, '--socket', socket, '--root', root, '--mtu', '9000', '--capture', capture]
      const bis = new BisProcess(['net', ...args])
      running.push(bis)
      await bis.until(/hn0 is at/)
      const namespace = lan.use(await Namespace.create())
      await namespace.addTap('tap0', { mtu: 9000, networks: [`10.9.0.${n + 1}/24`] })
      lan.use(await QemuHub.start({ tap: 'tap0', namespace }, socket, false))
      namespaces.push(namespace)
    }
    const [first] = namespaces
    const ping = ['ping', '-M', 'do', '-c', '5', '-i', '0.05', '-W', '9', '-s', '8972', '10.9.0.2']
    await expect.poll(() => first?.run(...ping).catch(String), { timeout: 20_000 }).toContain('5 received')
    for (const bis of running.splice(0)) expect((await bis.end()).status).toBe(0)
    for (const n of roots.keys()) {
      const path = join(folder, `${n}.pcapng`)
      expect(await complaints(path)).toEqual([])
      expect((await tshark(path, ['-Y', 'icmp && frame.len == 9014'])).length).toBeGreaterThanOrEqual(10)
    }
  })
})
