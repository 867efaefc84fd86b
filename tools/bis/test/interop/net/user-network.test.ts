import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import { StreamPort } from '@bis/host/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { havePrograms } from '../../programs.ts'
import { CaptureRecord, complaints } from './capture.ts'
import { Lan } from './lan.ts'
import { Namespace, whyNoNamespaces } from './namespace.ts'
import type { HubEnd } from './qemu-hub.ts'
import { QemuHub } from './qemu-hub.ts'
import { SmallStack } from './small-stack.ts'

const PROGRAMS = ['qemu-system-x86_64', 'setpriv', 'tshark']
const QEMU_ROUTER = [10, 0, 2, 2] as const

let lan: Lan | undefined
beforeEach(async () => {
  lan = await Lan.create()
})
afterEach(() => lan?.[Symbol.asyncDispose]())

/** A guest whose NIC reaches a stream port of its switch, with what QEMU joins to that. */
async function outside(made: Lan, end: HubEnd, role: 'client' | 'server'): Promise<SmallStack> {
  const path = join(made.folder, 'outside')
  const guest = await made.guest()
  const openPort = async (): Promise<StreamPort> => made.use(await StreamPort.open({ switch: made.switch, path, role }))
  const listening = role === 'server' ? await openPort() : undefined
  made.use(await QemuHub.start(end, path, role === 'client'))
  const port = listening ?? (await openPort())
  while (!port.connectedToPeer) await new Promise((resolve) => setTimeout(resolve, 10))
  return new SmallStack(guest.network)
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

describe.skipIf(!havePrograms(...PROGRAMS))(
  `QEMU's user-mode network (skipped unless there are ${PROGRAMS.join(', ')})`,
  () => {
    for (const role of ['client', 'server'] as const) {
      it(`leases an address, is pinged, and finds the guest by ARP, our port being the ${role}`, {
        timeout: 30_000,
      }, async () => {
        if (lan === undefined) throw new Error('no network')
        const captured = lan.use(new CaptureRecord(join(lan.folder, 'capture.pcapng'), 2 ** 24))
        const udp = await freeUdpPort()
        const stack = await outside(lan, { user: `,hostfwd=udp:127.0.0.1:${udp}-10.0.2.20:7` }, role)
        lan.switch.capture(lan.switch.ports, captured.sink)
        const lease = await stack.lease()
        expect(lease).toEqual({
          address: [10, 0, 2, 15],
          mask: [255, 255, 255, 0],
          router: QEMU_ROUTER,
          server: QEMU_ROUTER,
          seconds: 86_400,
        })
        for (let sequence = 1; sequence <= 3; sequence++) {
          const payload = Uint8Array.from({ length: 400 * sequence }, (_, i) => i ^ sequence)
          expect(await stack.ping(QEMU_ROUTER, sequence, payload)).toEqual(payload)
        }
        // QEMU has seen the leased address already; another it must ask for.
        stack.address = [10, 0, 2, 20]
        // From the host's own socket to the guest's port 7 and back.
        const socket = createSocket('udp4')
        try {
          const said = stack.datagram(7)
          socket.send('hello, guest', udp, '127.0.0.1')
          const { from, fromPort, payload } = await said
          expect(new TextDecoder().decode(payload)).toBe('hello, guest')
          const answer = once(socket, 'message')
          await stack.sendDatagram(from, fromPort, 7, payload)
          expect(String((await answer)[0])).toBe('hello, guest')
        } finally {
          socket.close()
        }
        expect(stack.answered.arp).toBeGreaterThan(0)
        await captured.write()
        expect(await complaints(captured.path)).toEqual([])
      })
    }
  },
)

const NEEDED = ['qemu-system-x86_64', 'ip', 'ping', 'nsenter', 'unshare']
const why = havePrograms(...NEEDED) ? whyNoNamespaces() : `not all of ${NEEDED.join(', ')} are here`

describe.skipIf(why !== undefined)(`a TAP of Linux${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  it('finds the guest by ARP and has its pings answered', { timeout: 30_000 }, async () => {
    if (lan === undefined) throw new Error('no network')
    const namespace = lan.use(await Namespace.create())
    await namespace.addTap('tap0', { mtu: 1500, networks: ['10.9.0.1/24'] })
    const stack = await outside(lan, { tap: 'tap0', namespace }, 'server')
    stack.address = [10, 9, 0, 7]
    expect(await namespace.run('ping', '-c', '3', '-i', '0.05', '-W', '9', '10.9.0.7')).toContain('3 received')
    expect(stack.answered).toEqual({ arp: 1, ping: 3 })
    expect(await namespace.run('ip', 'neighbour')).toContain('10.9.0.7 dev tap0 lladdr 00:15:5d:00:00:01')
  })
})
