import type { Channel, Device, Driver } from '@bis/hyperv-types'
import { IcMessageType, KVP_1_0, KVP_3_0, KVP_4_0 } from '@bis/hyperv-types/ic'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import type { IcHandlers, IcRequest } from '@bis/utils'
import { icDriver } from '@bis/utils'
import { runDaemon } from '../daemon/run-daemon.ts'
import { KVP_DEVICES } from '../device/system.ts'
import type { KvpReply, KvpRequest, KvpServer } from '../request.ts'
import { readRequest, writeReply } from '../wire/host-message.ts'
import { DaemonLink } from './daemon-link.ts'

export interface KvpDriverOptions {
  /** Which kernel's character device it offers to daemons. Default `linux`: `/dev/vmbus/hv_kvp`. */
  readonly device?: 'linux' | 'freebsd'
  /** Answers in this process: a daemon that takes the device when the driver attaches. Default: none, the device is free. */
  readonly daemon?: KvpServer | ((device: Device<Channel>) => KvpServer)
}

/** How long a daemon may take, in milliseconds, unless `hw.hvkvp.timeout_ms` says otherwise: FreeBSD's 5 seconds. */
const DEFAULT_TIMEOUT_MS = 5000
/** Linux's limit; hosts wait longer. */
const MOST_TIMEOUT_MS = 30_000
/** A request has up to 7460 bytes; a host may have sent some that wait. */
const RING_BYTES = 4 * 4096

/** The key-value driver, `hvkvp0`. */
export function kvpDriver(options: KvpDriverOptions = {}): Driver<Channel> {
  return icDriver({
    name: 'hvkvp',
    description: 'Hyper-V KVP',
    interfaceId: InterfaceId.KVP,
    messageType: IcMessageType.KVP,
    versions: [KVP_4_0, KVP_3_0, KVP_1_0],
    ringBytes: RING_BYTES,
    attach: (device) => attach(device, options),
  })
}

function attach(device: Device<Channel>, options: KvpDriverOptions): IcHandlers {
  const { kernel, log, sysctl } = device
  const link = new DaemonLink(KVP_DEVICES[options.device ?? 'linux'], kernel.clock)
  const tunable = kernel.tunables.getInt('hw.hvkvp.timeout_ms') ?? DEFAULT_TIMEOUT_MS
  let timeoutMs = Math.min(MOST_TIMEOUT_MS, Math.max(1, tunable))
  let cut = 0
  sysctl.leaf('daemon', 'none, opened, idle, asked or owing', () => link.state)
  sysctl.leaf('timeouts', 'requests that the daemon did not answer in time', () => link.timeouts)
  sysctl.leaf('late_answers', 'answers of the daemon that came too late', () => link.lateAnswers)
  sysctl.leaf('cut', 'keys or values that were too long for a message', () => cut)
  sysctl.leaf(
    'timeout_ms',
    'how long a daemon may take',
    () => timeoutMs,
    (value) => {
      const wanted = Number(value)
      if (!(wanted >= 1 && wanted <= MOST_TIMEOUT_MS)) throw new RangeError(`1 to ${MOST_TIMEOUT_MS} milliseconds`)
      timeoutMs = wanted
    },
  )
  const answer = (request: IcRequest, asked: KvpRequest, reply: KvpReply): void => {
    const body = viewOf(request.body)
    if (writeReply(body, asked, reply)) {
      cut++
      log.log('warning', 'a key or value is longer than a message to the host takes, and was cut', 'cut')
    }
    request.respond(reply.status)
  }
  const undo = kernel.characterDevices.add(link)
  const stop = new AbortController()
  const { clock } = kernel
  const server = typeof options.daemon === 'function' ? options.daemon(device) : options.daemon
  const daemon = server === undefined ? undefined : runDaemon(link, server, { clock, log, signal: stop.signal })
  return {
    onRequest(request) {
      const asked = readRequest(viewOf(request.body), request.bodyLength)
      if (typeof asked === 'number') request.respond(asked)
      else void link.ask(asked, timeoutMs).then((reply) => answer(request, asked, reply))
    },
    onReset: () => link.cancel(),
    async dispose() {
      undo()
      stop.abort()
      link.remove()
      await daemon
    },
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
