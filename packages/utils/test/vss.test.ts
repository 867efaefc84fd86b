import { VssComponent } from '@bis/host'
import type { CharacterFile } from '@bis/hyperv-types'
import { ManualClock } from '@bis/hyperv-types'
import { IcStatus, VssOperation } from '@bis/hyperv-types/ic'
import { describe, expect, it } from 'vitest'
import type { VssHook, VssOptions } from '../src/index.ts'
import { vssDriver } from '../src/index.ts'
import type { Guest } from './support/guest.ts'
import { allReady, bootGuest, hostOptions } from './support/guest.ts'
import { RawComponent } from './support/raw-component.ts'

const { HOT_BACKUP, FREEZE, THAW } = VssOperation
const LIMITS = { freezeMs: 900_000, otherMs: 30_000, frozenMs: 60_000 }

async function pair(options: VssOptions = {}) {
  const clock = new ManualClock()
  const host = new VssComponent({ ...hostOptions(clock), freezeMs: 2_000_000, otherMs: 120_000 })
  const guest = await bootGuest([vssDriver({ vssLimits: LIMITS, ...options })], [host], clock)
  await allReady(clock, host)
  return { clock, host, guest }
}

/** Hooks that write down what is done to them; the one called `bad` cannot be frozen. */
function hooks(log: string[], ...names: readonly string[]): VssHook[] {
  return names.map((name) => ({
    name,
    freeze() {
      if (name === 'bad') throw new Error('busy')
      log.push(`freeze ${name}`)
    },
    thaw: () => void log.push(`thaw ${name}`),
  }))
}

/** A daemon at the device: answers `answerMs` after it has read, with these errors for a freeze. */
class Daemon {
  readonly seen: number[] = []
  answerMs = 0
  freezeError = 0
  /** An operation that is answered at once all the same. */
  quick = 0
  readonly file: CharacterFile
  readonly #clock: ManualClock

  constructor({ kernel, clock }: Guest, register = 129) {
    const file = kernel.characterDevices.get('vmbus/hv_vss')?.open()
    if (file === undefined) throw new Error('no /dev/vmbus/hv_vss')
    this.#clock = clock
    this.file = file
    const message = new Uint8Array(12)
    message[0] = register
    file.write(message)
    void this.#run(register === 129)
  }

  async #run(handshake: boolean): Promise<void> {
    try {
      if (handshake) expect([...(await this.file.read())]).toEqual([129, 0, 0, 0])
      for (;;) {
        const [operation = 0] = await this.file.read()
        this.seen.push(operation)
        const answer = new Uint8Array(12)
        answer[0] = operation === FREEZE ? this.freezeError : 0
        if (this.answerMs > 0 && operation !== this.quick)
          await new Promise<void>((done) => this.#clock.after(this.answerMs, done))
        this.file.write(answer)
      }
    } catch {
      // The device is gone, or the daemon was killed.
    }
  }
}

describe('volume snapshots', () => {
  it('freezes hooks and daemon in order, and thaws them in reverse', async () => {
    const log: string[] = []
    const { clock, host, guest } = await pair({ vssHooks: hooks(log, 'db', 'mail') })
    const daemon = new Daemon(guest)
    await clock.settle(host.whileFrozen(async () => void log.push('copy')))
    expect(log).toEqual(['freeze db', 'freeze mail', 'copy', 'thaw mail', 'thaw db'])
    expect(daemon.seen).toEqual([HOT_BACKUP, FREEZE, THAW])
    expect(guest.sysctl('dev.hvvss.0.freezer')).toBe('thawed')
    expect(guest.dmesg().join('\n')).toContain('hvvss0: <Hyper-V VSS> on vmbus0')
  })

  it('answers the other operations, and those it does not know', async () => {
    const clock = new ManualClock()
    const host = new RawComponent(new VssComponent(hostOptions(clock)).kind, hostOptions(clock))
    await bootGuest([vssDriver()], [host], clock)
    await allReady(clock, host)
    const status = async (operation: number, length = 12) => {
      const body = new Uint8Array(length)
      body[0] = operation
      return (await clock.settle(host.ask(body))).status
    }
    for (const operation of [VssOperation.CREATE, VssOperation.DELETE, VssOperation.GET_DM_INFO, VssOperation.THAW])
      expect(await status(operation)).toBe(IcStatus.S_OK)
    for (const operation of [VssOperation.CLUSTER_INFO, 9, 128, 255])
      expect(await status(operation)).toBe(IcStatus.NOT_SUPPORTED)
    expect(await status(0, 0)).toBe(IcStatus.INVALID_ARGUMENT)
  })

  it.each([4096, 6260, 6304, 8192, 12_500, 12_900])('[VS-06] takes a message of %i bytes', async (length) => {
    const clock = new ManualClock()
    const host = new RawComponent(new VssComponent(hostOptions(clock)).kind, hostOptions(clock))
    await bootGuest([vssDriver()], [host], clock)
    await allReady(clock, host)
    const body = new Uint8Array(length)
    body[0] = VssOperation.AUTO_RECOVER
    const answer = await clock.settle(host.ask(body))
    expect([answer.status, answer.body.length]).toEqual([IcStatus.S_OK, length])
  })

  it('[VS-05] says at once that it cannot without a daemon, and hot backup is possible when one has come', async () => {
    const { clock, host, guest } = await pair()
    const before = clock.now()
    expect(await clock.settle(host.canBackUp())).toBe(false)
    await expect(clock.settle(host.freeze())).rejects.toMatchObject({ code: 'refused' })
    expect(clock.now()).toBe(before)
    expect(host.frozen).toBe(false)
    const daemon = new Daemon(guest, 128)
    expect(await clock.settle(host.canBackUp())).toBe(true)
    daemon.file.close()
    expect(await clock.settle(host.canBackUp())).toBe(false)
  })

  it('[VS-02] thaws what was frozen when a later one cannot be, in reverse order', async () => {
    const log: string[] = []
    const { clock, host, guest } = await pair({ vssHooks: hooks(log, 'a', 'b', 'bad', 'd') })
    await expect(clock.settle(host.whileFrozen(async () => {}))).rejects.toMatchObject({ code: 'refused' })
    expect(log).toEqual(['freeze a', 'freeze b', 'thaw b', 'thaw a'])
    expect(guest.sysctl('dev.hvvss.0.freezer')).toBe('thawed')
  })

  it.each<[string, (parts: Awaited<ReturnType<typeof pair>>, daemon: Daemon) => Promise<unknown>]>([
    ['the host says nothing more', ({ clock }) => clock.advance(LIMITS.frozenMs + 1)],
    ['the host takes the device away', async ({ guest }) => guest.connections[0]?.rescind()],
    ['the host negotiates again', async ({ host }) => host.renegotiate()],
    ['the guest is suspended', async ({ guest }) => guest.tree.suspend()],
    ['the guest shuts down', async ({ guest }) => guest.tree.shutdown()],
    ['the driver is unloaded', async ({ guest }) => guest.tree.unload('hv_utils')],
  ])('[VS-02] does not stay frozen when %s', async (_, happen) => {
    const log: string[] = []
    const parts = await pair({ vssHooks: hooks(log, 'a', 'b') })
    const daemon = new Daemon(parts.guest)
    await parts.clock.settle(parts.host.freeze())
    expect(log).toEqual(['freeze a', 'freeze b'])
    await parts.clock.settle(happen(parts, daemon))
    await parts.clock.run()
    expect(log.slice(2)).toEqual(['thaw b', 'thaw a'])
    expect(daemon.seen).toEqual([FREEZE, THAW])
  })

  it('[VS-02] thaws the rest when the daemon was killed while everything was frozen', async () => {
    const log: string[] = []
    const { clock, host, guest } = await pair({ vssHooks: hooks(log, 'a') })
    const daemon = new Daemon(guest)
    await clock.settle(host.freeze())
    daemon.file.close()
    await clock.settle(host.thaw())
    expect(log).toEqual(['freeze a', 'thaw a'])
  })

  it.each<[number, boolean]>([
    [0, true],
    [29, true],
    [31, true],
    [899, true],
    [901, false],
  ])('[VS-04] a freeze answered after %i s succeeds: %s', async (seconds, succeeds) => {
    const { clock, host, guest } = await pair()
    const daemon = new Daemon(guest)
    daemon.answerMs = seconds * 1000
    daemon.quick = THAW
    const frozen = host.freeze().then(
      () => true,
      () => false,
    )
    await clock.advance(seconds * 1000 + 1)
    expect(await clock.settle(frozen)).toBe(succeeds)
    await clock.run()
    // The one that came too late had frozen: it is thawed without being asked for.
    const [first, ...others] = daemon.seen
    expect([first, new Set(others)]).toEqual([FREEZE, new Set(succeeds ? [] : [THAW])])
  })

  it('[VS-04] a thaw answered late is a failure, and the next cycle works', async () => {
    const { clock, host, guest } = await pair()
    const daemon = new Daemon(guest)
    await clock.settle(host.freeze())
    daemon.answerMs = 40_000
    const thawed = host.thaw()
    thawed.catch(() => {})
    await clock.advance(30_001)
    await expect(thawed).rejects.toMatchObject({ code: 'refused', status: IcStatus.E_FAIL })
    daemon.answerMs = 0
    await clock.advance(10_000)
    await clock.settle(host.whileFrozen(async () => {}))
  })

  it('reports a daemon that cannot freeze', async () => {
    const { clock, host, guest } = await pair()
    const daemon = new Daemon(guest)
    daemon.freezeError = 1
    await expect(clock.settle(host.freeze())).rejects.toThrow('does not freeze: status 0x80004005')
    expect(daemon.seen).toEqual([FREEZE, THAW])
  })

  it('refuses what is no daemon: other registrations, lengths, a second one', async () => {
    const { guest } = await pair()
    const device = guest.kernel.characterDevices.get('vmbus/hv_vss')
    const file = device?.open()
    expect(() => device?.open()).toThrow(expect.objectContaining({ code: 'busy' }))
    for (const message of [new Uint8Array(11), new Uint8Array(12), new Uint8Array(13)])
      expect(() => file?.write(message)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    file?.close()
    const daemon = new Daemon(guest)
    expect(() => daemon.file.write(new Uint8Array(12))).toThrow('an answer to nothing')
  })
})
