import type { CharacterDevice, CharacterFile, Clock, Logger } from '@bis/hyperv-types'
import { DeviceError, sleep } from '@bis/hyperv-types'
import { IcStatus } from '@bis/hyperv-types/ic'
import type { DaemonFile } from '@bis/utils'
import { decodeRequest, encodeOperation, encodeReply, operationOf, registrationText } from '../device/message.ts'
import type { KvpDeviceKind } from '../device/system.ts'
import { KVP_DEVICES, REGISTER1 } from '../device/system.ts'
import { KvpError } from '../errors.ts'
import type { KvpReply, KvpServer } from '../request.ts'

export interface DaemonOptions {
  readonly kind: KvpDeviceKind
  readonly log: Logger
  readonly signal?: AbortSignal | undefined
  /** Told the kernel's version of the integration services, where it tells one. */
  readonly onRegistered?: (version: string) => void
}

/**
 * Registers and answers requests, one after the other, until the signal is aborted.
 * @throws DeviceError `protocol`; what reading or writing the device throws
 */
export async function serveDevice(file: DaemonFile, server: KvpServer, options: DaemonOptions): Promise<void> {
  const { kind, log, signal } = options
  file.write(encodeOperation(kind, kind.registration))
  if (!kind.answersRegistration) options.onRegistered?.('')
  while (signal?.aborted !== true) {
    const message = await file.read(signal)
    if (message.length < kind.messageBytes) {
      throw new DeviceError(
        'protocol',
        `a message of ${message.length} bytes from the kernel: ${kind.messageBytes} expected`,
      )
    }
    if (operationOf(message) === REGISTER1) {
      options.onRegistered?.(registrationText(message))
      continue
    }
    encodeReply(message, await reply(message, server, log))
    file.write(message.subarray(0, kind.messageBytes))
  }
}

async function reply(message: Uint8Array, server: KvpServer, log: Logger): Promise<KvpReply> {
  const request = decodeRequest(message)
  if (typeof request === 'number') return { status: request }
  try {
    return await server.serve(request)
  } catch (error) {
    log.log('warning', `${request.operation} failed: ${(error as Error).message}`)
    return { status: statusOf(error) }
  }
}

function statusOf(error: unknown): number {
  if ((error as { code?: unknown } | null)?.code === 'ENOSPC') return IcStatus.DISK_FULL
  if (!(error instanceof KvpError)) return IcStatus.E_FAIL
  switch (error.code) {
    case 'bad-key':
    case 'bad-value':
    case 'bad-address':
    case 'too-long':
      return IcStatus.INVALID_ARGUMENT
    case 'unknown-adapter':
      return IcStatus.GUID_NOT_FOUND
    default:
      return IcStatus.E_FAIL
  }
}

const FIRST_PAUSE_MS = 100
const MOST_PAUSE_MS = 10_000

export interface RunOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
}

/**
 * A daemon in the process of its kernel. A registration that fails is repeated, with longer pauses; the daemon ends when
 * the device is gone or the signal is aborted.
 */
export async function runDaemon(device: CharacterDevice, server: KvpServer, options: RunOptions): Promise<void> {
  const { clock, log, signal } = options
  const kind = device.path === KVP_DEVICES.freebsd.path ? KVP_DEVICES.freebsd : KVP_DEVICES.linux
  for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(pause * 2, MOST_PAUSE_MS)) {
    let file: CharacterFile | undefined
    try {
      file = device.open()
      await serveDevice(file, server, { kind, log, signal })
    } catch (error) {
      if (signal.aborted || (error instanceof DeviceError && error.code === 'removed')) return
      log.log('warning', `the daemon starts again: ${(error as Error).message}`, 'daemon')
    } finally {
      file?.close()
    }
    await sleep(clock, pause, signal).catch(() => undefined)
  }
}
