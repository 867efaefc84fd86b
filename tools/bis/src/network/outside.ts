import { createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'
import type { NetworkAdapter, VirtualSwitch } from '@bis/host'
import { ReplayPort } from '@bis/host'
import { StreamPort } from '@bis/host/node'
import type { Timer } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import { CliError, describeError } from '../cli-error.ts'
import { checkSocketPath } from '../socket-option.ts'
import type { NicPort } from './nic-option.ts'
import { parseVlan } from './nic-option.ts'

/** How often a replay looks whether the guest listens by now. */
const REPLAY_WAIT_MS = 20

/**
 * Opens what a NIC is connected to beyond its switch: a stream socket, or a capture that is played to it.
 * @returns what ends it; undefined when there is nothing beyond @throws CliError `failed`
 */
export async function openOutside(
  adapter: NetworkAdapter,
  port: NicPort,
  lan: VirtualSwitch,
): Promise<AsyncDisposable | undefined> {
  const settings = { vlan: parseVlan('trunk') }
  if (port.kind === 'stream') {
    const { path, role } = port
    if (role === 'server') await checkSocketPath(`--nic stream:${path}`, path)
    try {
      return await StreamPort.open({ switch: lan, path, role, port: settings })
    } catch (error) {
      const hint = role === 'client' ? '; start what listens there first' : ''
      throw new CliError('failed', `--nic stream:${path}: ${describeError(error)}${hint}`)
    }
  }
  if (port.kind !== 'replay') return undefined
  const { file, speed, loop, only } = port
  await access(file).catch((error: Error) => {
    throw new CliError('failed', `--nic replay:${describeError(error)}`)
  })
  return replay(
    adapter,
    new ReplayPort({
      switch: lan,
      name: `replay:${file}`,
      open: () => createReadStream(file),
      speed,
      loop,
      ...(only === undefined ? {} : { only }),
      port: settings,
    }),
  )
}

/** Plays when the guest listens. */
function replay(adapter: NetworkAdapter, port: ReplayPort): AsyncDisposable {
  let timer: Timer | undefined
  const look = (): void => {
    if (adapter.filter === 0) timer = systemClock.after(REPLAY_WAIT_MS, look)
    else port.play().catch((error: unknown) => process.stderr.write(`${port.port.name}: ${describeError(error)}\n`))
  }
  look()
  return {
    async [Symbol.asyncDispose]() {
      timer?.cancel()
      port.remove()
    },
  }
}
