import type { Channel, Device, Driver, TunableSysctl } from '@bis/hyperv-types'
import { IcMessageType, IcStatus, KVP_1_0, KVP_3_0, KVP_4_0, KVP_5_0 } from '@bis/hyperv-types/ic'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import type { DaemonReply, IcHandlers, IcRequest } from '@bis/utils'
import { icDriver } from '@bis/utils'
import { runDaemon } from '../daemon/run-daemon.ts'
import { KVP_DEVICES } from '../device/system.ts'
import type { KvpReply, KvpRequest, KvpServer } from '../request.ts'
import { readRequest, writeReply } from '../wire/host-message.ts'
import { adapterName } from './adapter-name.ts'
import { kvpDaemonDevice } from './kvp-daemon-device.ts'

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
const FAILED: KvpReply = { status: IcStatus.E_FAIL }

const TIMEOUT: TunableSysctl = {
  name: 'hw.hvkvp.timeout_ms',
  description: 'how long a daemon may take',
  value: DEFAULT_TIMEOUT_MS,
  min: 1,
  max: MOST_TIMEOUT_MS,
}

/** The key-value driver, `hvkvp0`. */
export function kvpDriver(options: KvpDriverOptions = {}): Driver<Channel> {
  return icDriver({
    name: 'hvkvp',
    description: 'Hyper-V KVP',
    interfaceId: InterfaceId.KVP,
    messageType: IcMessageType.KVP,
    versions: [KVP_5_0, KVP_4_0, KVP_3_0, KVP_1_0],
    ringBytes: RING_BYTES,
    tunables: [TIMEOUT],
    attach: (device) => attach(device, options),
  })
}

function attach(device: Device<Channel>, options: KvpDriverOptions): IcHandlers {
  const { kernel, log, sysctl } = device
  const daemon = kvpDaemonDevice(KVP_DEVICES[options.device ?? 'linux'], kernel.clock)
  let timeoutMs = Number(kernel.sysctl.get(TIMEOUT.name))
  let cut = 0
  sysctl.leaf('daemon', 'none, opened, idle, asked or owing', () => daemon.state)
  sysctl.leaf('timeouts', 'requests that the daemon did not answer in time', () => daemon.timeouts)
  sysctl.leaf('late_answers', 'answers of the daemon that came too late', () => daemon.lateAnswers)
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
  const answer = (request: IcRequest, asked: KvpRequest, outcome: DaemonReply<KvpReply>): void => {
    const reply = typeof outcome === 'string' ? FAILED : outcome
    const body = viewOf(request.body)
    if (writeReply(body, asked, reply, request.version)) {
      cut++
      log.log('warning', 'a key or value is longer than a message to the host takes, and was cut', 'cut')
    }
    request.respond(reply.status)
  }
  // FreeBSD's kernel names the interface in place of the adapter's id; what is no adapter's stays as it is.
  const forDaemon = (asked: KvpRequest): KvpRequest => {
    if (asked.operation !== 'set-ip' || options.device !== 'freebsd') return asked
    const { adapterId } = asked.information
    return { ...asked, information: { ...asked.information, adapterId: adapterName(device, adapterId) ?? adapterId } }
  }
  const undo = kernel.characterDevices.add(daemon)
  const stop = new AbortController()
  const { clock } = kernel
  const server = typeof options.daemon === 'function' ? options.daemon(device) : options.daemon
  const running = server === undefined ? undefined : runDaemon(daemon, server, { clock, log, signal: stop.signal })
  return {
    onRequest(request) {
      const asked = readRequest(viewOf(request.body), request.bodyLength, request.version)
      if (typeof asked === 'number') request.respond(asked)
      else void daemon.ask(forDaemon(asked), timeoutMs).then((reply) => answer(request, asked, reply))
    },
    onReset: () => daemon.cancel(),
    async dispose() {
      undo()
      stop.abort()
      daemon.remove()
      await running
    },
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
