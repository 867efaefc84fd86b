import { DeviceError } from '@bis/hyperv-types'
import { SrbDataDirection } from '@bis/hyperv-types/storage'
import type { StorvscAdapter } from './adapter.ts'
import { scatterOf } from './guest-buffer.ts'
import type { RequestOwner, StorvscRequest } from './request.ts'
import type { Waiter } from './request-pool.ts'
import type { ScsiAddress } from './scsi-address.ts'
import type { Outcome } from './verdict.ts'

export interface ExecuteOptions {
  /** Where the answer's data goes; several buffers are filled one after the other. */
  readonly dataIn?: Uint8Array | readonly Uint8Array[]
  /** Data for the device; not both. */
  readonly dataOut?: Uint8Array | readonly Uint8Array[]
  /** Seconds; default the adapter's. */
  readonly timeout?: number
  /** Processor that issues it; chooses the channel. */
  readonly cpu?: number
}

/** What came of a SCSI command; nothing of it is an error yet. */
export interface ScsiResult extends Outcome {
  /** Bytes moved. */
  readonly transferred: number
  /** Bytes asked for and not moved. */
  readonly residual: number
}

/**
 * Does one SCSI command as it is, once, and tells what came of it.
 * @param cdb 6 to 16 bytes
 * @throws DeviceError `invalid-argument` for a command or buffers that cannot be sent
 */
export function execute(
  adapter: StorvscAdapter,
  address: ScsiAddress,
  cdb: Uint8Array | readonly number[],
  options: ExecuteOptions = {},
): Promise<ScsiResult> {
  return new Promise((resolve, reject) => {
    try {
      new RawCommand(adapter, address, cdb, options, resolve, reject).start()
    } catch (error) {
      reject(error)
    }
  })
}

class RawCommand implements RequestOwner, Waiter {
  readonly #adapter: StorvscAdapter
  readonly #address: ScsiAddress
  readonly #cdb: Uint8Array | readonly number[]
  readonly #buffers: readonly Uint8Array[]
  readonly #direction: number
  readonly #length: number
  readonly #options: ExecuteOptions
  readonly #resolve: (result: ScsiResult) => void
  readonly #reject: (error: unknown) => void

  constructor(
    adapter: StorvscAdapter,
    address: ScsiAddress,
    cdb: Uint8Array | readonly number[],
    options: ExecuteOptions,
    resolve: (result: ScsiResult) => void,
    reject: (error: unknown) => void,
  ) {
    const { dataIn, dataOut } = options
    this.#adapter = adapter
    this.#address = address
    this.#cdb = cdb
    this.#buffers = listOf(dataIn ?? dataOut)
    this.#length = this.#buffers.reduce((sum, { length }) => sum + length, 0)
    this.#direction =
      this.#length === 0
        ? SrbDataDirection.UNKNOWN
        : dataIn === undefined
          ? SrbDataDirection.WRITE
          : SrbDataDirection.READ
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    if (cdb.length < 6 || cdb.length > 16) throw invalid(`a command of ${cdb.length} bytes: it has 6 to 16`)
    if (dataIn !== undefined && dataOut !== undefined) throw invalid('a command moves data one way only')
    if (this.#length > adapter.maxTransferBytes) {
      throw invalid(`${this.#length} bytes of data: this controller moves at most ${adapter.maxTransferBytes} at once`)
    }
    for (const [name, value] of Object.entries(address)) {
      if (!(value >= 0 && value <= 255)) throw invalid(`${name} ${value}: 0 to 255`)
    }
  }

  start(): void {
    if (this.pump()) this.#adapter.requests.wait(this)
  }

  /** Starts the command as soon as there is a request, and a bounce buffer if it takes one. */
  pump(): boolean {
    const adapter = this.#adapter
    if (adapter.closed) {
      this.#reject(new DeviceError('removed', 'the controller is gone'))
      return false
    }
    const memory = adapter.channel.memory
    const place = this.#length === 0 ? undefined : scatterOf(memory, this.#buffers)
    const needsBounce = this.#length > 0 && place === undefined
    let request: StorvscRequest | undefined
    try {
      request = adapter.requests.take(needsBounce ? this.#length : 0)
    } catch (cause) {
      this.#reject(new DeviceError('io', 'no guest memory for the data', { cause }))
      return false
    }
    if (request === undefined) return true
    const { bounce } = request
    const { path, target, lun } = this.#address
    request.path = path
    request.target = target
    request.lun = lun
    request.cdb.set(this.#cdb)
    request.cdbLength = this.#cdb.length
    request.direction = this.#direction
    request.length = this.#length
    request.timeout = this.#options.timeout ?? 0
    request.cpu = this.#options.cpu ?? 0
    request.owner = this
    if (bounce !== undefined) {
      request.gpa = bounce.run.gpa
      adapter.statistics.dataBounced++
      if (this.#direction === SrbDataDirection.WRITE) gather(this.#buffers, bounce.run.bytes)
    } else if (place !== undefined) {
      request.gpa = place.gpa
      request.pfns = place.pfns
      adapter.statistics.dataScattered++
    }
    adapter.submit(request)
    return false
  }

  requestDone(request: StorvscRequest): void {
    const { failure, srbStatus, scsiStatus, transferred, senseLength, bounce } = request
    const isRead = this.#direction === SrbDataDirection.READ
    if (bounce !== undefined && isRead) scatter(bounce.run.bytes, this.#buffers, transferred)
    const result: ScsiResult = {
      cdb: request.cdb.slice(0, request.cdbLength),
      failure,
      srbStatus,
      scsiStatus,
      senseLength,
      sense: request.sense.slice(0, senseLength),
      transferred,
      residual: this.#length - transferred,
    }
    this.#adapter.requests.release(request)
    this.#resolve(result)
  }
}

function listOf(data: Uint8Array | readonly Uint8Array[] | undefined): readonly Uint8Array[] {
  if (data === undefined) return []
  return data instanceof Uint8Array ? [data] : data
}

function gather(buffers: readonly Uint8Array[], target: Uint8Array): void {
  let at = 0
  for (const buffer of buffers) {
    target.set(buffer, at)
    at += buffer.length
  }
}

function scatter(source: Uint8Array, buffers: readonly Uint8Array[], length: number): void {
  let at = 0
  for (const buffer of buffers) {
    const part = Math.min(buffer.length, length - at)
    if (part <= 0) return
    buffer.set(source.subarray(at, at + part))
    at += part
  }
}

function invalid(message: string): DeviceError {
  return new DeviceError('invalid-argument', message)
}
