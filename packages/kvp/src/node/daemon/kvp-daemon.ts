import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { openCharacterDevice } from '@bis/utils/node'
import type { NetworkConfiguration } from '../../daemon/pool-server.ts'
import { PoolServer } from '../../daemon/pool-server.ts'
import { serveDevice } from '../../daemon/run-daemon.ts'
import { KVP_DEVICES } from '../../device/system.ts'
import type { PoolFolderOptions } from '../open-pools.ts'
import { PoolFolder } from '../open-pools.ts'
import { FreeBsdNetwork } from './freebsd-network.ts'
import { LinuxNetwork } from './linux-network.ts'
import { SystemValues } from './system-values.ts'

export interface KvpDaemonOptions extends Pick<PoolFolderOptions, 'folder' | 'lock' | 'durable'> {
  /** Ends the daemon. A read of the device that waits then ends with the process only. */
  readonly signal: AbortSignal
  readonly log: Logger
  /** Character device; default `/dev/vmbus/hv_kvp` on Linux, `/dev/hv_kvp_dev` on FreeBSD. */
  readonly device?: string
  /** Mode of what is made: `private` (default), or `shared` as the Linux daemon has it. */
  readonly create?: 'private' | 'shared'
  /** Program that sets addresses in place of ours; it gets the paths of the files with the configuration. */
  readonly networkHook?: string | undefined
  /** Default: this system's. */
  readonly network?: NetworkConfiguration
  /** Called when the kernel has taken the registration. */
  readonly onRegistered?: () => void
}

const FIRST_PAUSE_MS = 250
const MOST_PAUSE_MS = 30_000

/**
 * The KVP daemon: takes the place of hv_kvp_daemon until the signal is aborted. When the device fails after it once
 * worked, it is opened again, with longer pauses.
 * @throws DeviceError `io` when the device cannot be opened at the beginning, KvpError `no-lock` without koffi
 */
export async function runKvpDaemon(options: KvpDaemonOptions): Promise<void> {
  const { signal, log } = options
  const kind = process.platform === 'freebsd' ? KVP_DEVICES.freebsd : KVP_DEVICES.linux
  const pools = new PoolFolder({ ...options, create: options.create ?? 'private' })
  await pools.create()
  const values = new SystemValues()
  const Network = process.platform === 'freebsd' ? FreeBsdNetwork : LinuxNetwork
  const network = options.network ?? new Network({ folder: pools.folder, hook: options.networkHook })
  const server = new PoolServer({ pools: pools.pools, autoValues: values.current, network })
  values.current() // asks for the domain name
  let worked = false
  for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(pause * 2, MOST_PAUSE_MS)) {
    try {
      const file = openCharacterDevice(options.device ?? `/dev/${kind.path}`, kind.messageBytes)
      try {
        await serveDevice(file, server, {
          kind,
          log,
          signal,
          onRegistered(version) {
            worked = true
            pause = FIRST_PAUSE_MS
            values.servicesVersion = version
            log.log('info', `registered with the kernel${version === '' ? '' : `, integration services ${version}`}`)
            options.onRegistered?.()
          },
        })
      } finally {
        file.close()
      }
    } catch (error) {
      if (signal.aborted) return
      if (!worked) throw error
      const reason = error instanceof DeviceError ? error.message : String(error)
      log.log('warning', `${reason}; again in ${pause / 1000} s`)
    }
    await delay(pause, undefined, { signal }).catch(() => undefined)
  }
}
