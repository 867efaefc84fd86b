import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FrameStream } from '@bis/host/node'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseCommandLine } from '../src/command.ts'
import { net } from '../src/commands/net.ts'
import { parseNicOption } from '../src/network/nic-option.ts'

async function until(condition: () => boolean | Promise<boolean>, milliseconds = 5000): Promise<void> {
  const end = Date.now() + milliseconds
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not in ${milliseconds} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe('--nic', () => {
  it('says what is wrong with it', () => {
    expect(parseNicOption('stream:/run/a,,b,mac=00:15:5d:01:02:03,vlan=7')).toEqual({
      port: { kind: 'stream', path: '/run/a,b', role: 'client' },
      address: Uint8Array.of(0, 0x15, 0x5d, 1, 2, 3),
      vlan: { mode: 'access', id: 7 },
      spoofing: false,
    })
    expect(parseNicOption('stream:/run/a,server,spoof')).toMatchObject({ port: { role: 'server' }, spoofing: true })
    expect(parseNicOption('replay:a.pcapng,speed=2.5,loop,only=in').port).toEqual({
      kind: 'replay',
      file: 'a.pcapng',
      speed: 2.5,
      loop: true,
      only: 'in',
    })
    for (const text of [
      '',
      'bridge',
      'stream:',
      'user',
      'switch,mac=01:00:00:00:00:00',
      'switch,vlan=4095',
      'switch,x=1',
      'switch,server',
      'stream:/a,client',
      'replay:a,speed=0',
      'replay:a,only=none',
    ]) {
      expect(() => parseNicOption(text)).toThrow(expect.objectContaining({ code: 'usage' }))
    }
  })
})

describe('bis net', () => {
  it('passes frames from its socket through the guest to a stream and back, 9000 bytes too, and captures them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bis-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const [outer, inner, capture] = ['outer', 'inner', 'capture'].map((name) => join(folder, name))
    if (outer === undefined || inner === undefined || capture === undefined) throw new Error('no names')
    const outside: Uint8Array[] = []
    const inside: Uint8Array[] = []
    const keep = (list: Uint8Array[]) => (bytes: Uint8Array, offset: number, length: number) =>
      list.push(Uint8Array.from(bytes.subarray(offset, offset + length))) > 0
    await using far = await FrameStream.listen(outer, { onFrame: keep(outside) })
    const stop = new AbortController()
    const argv = [
      '--nic',
      `stream:${outer}`,
      '--socket',
      inner,
      '--mtu',
      '9000',
      '--memory',
      '32m',
      '--capture',
      capture,
    ]
    const running = net.run(parseCommandLine(net, argv), stop.signal)
    let near: FrameStream | undefined
    await until(async () => {
      near = await FrameStream.connect(inner, { onFrame: keep(inside) }).catch(() => undefined)
      return near !== undefined
    })
    const frame = Uint8Array.from({ length: 9014 }, (_, i) =>
      i < 12 ? ([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][i] ?? 0) : i & 0xff,
    )
    await until(() => {
      near?.send(frame, 0, frame.length)
      return outside.length > 0
    })
    expect(outside[0]).toEqual(frame)
    far.send(frame, 0, 60)
    await until(() => inside.length > 0)
    expect(inside[0]).toEqual(frame.subarray(0, 60))
    await near?.[Symbol.asyncDispose]()
    stop.abort()
    await running
    expect(new DataView(readFileSync(capture).buffer).byteLength).toBeGreaterThan(9014)
  })
})
