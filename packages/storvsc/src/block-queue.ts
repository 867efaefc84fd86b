import { DeviceError } from '@bis/hyperv-types'
import { ScsiOpcode } from '@bis/hyperv-types/scsi'
import { SrbDataDirection } from '@bis/hyperv-types/storage'
import type { StorvscAdapter } from './adapter.ts'
import type { BlockRequest } from './block-request.ts'
import { BlockOperation } from './block-request.ts'
import { gpaOf } from './guest-buffer.ts'
import type { DiskCondition } from './range-check.ts'
import { refusalOf } from './range-check.ts'
import { encodeReadWrite } from './read-write-cdb.ts'
import type { RequestOwner, StorvscRequest } from './request.ts'
import type { RequestPool, Waiter } from './request-pool.ts'
import type { ScsiAddress } from './scsi-address.ts'
import type { Verdict } from './verdict.ts'
import { judge, outcomeError } from './verdict.ts'

/** What the queue asks of its disk. */
export interface QueueOwner extends DiskCondition {
  readonly writeCache: boolean
  /** A write with FUA is on the medium when it ends; without, a flush has to follow it. */
  readonly forcesWrites: boolean
  /** The device said so with the last command. */
  attention(asc: number, ascq: number): void
  /** An answer said that there is no such unit. */
  unitGone(): void
}

const WAIT_MS = 100
const MAX_WAITS = 100

/** The reads, writes and flushes of one disk: split to what the controller takes, tried again where that helps. */
export class BlockQueue implements RequestOwner, Waiter {
  readonly #adapter: StorvscAdapter
  readonly #requests: RequestPool
  readonly #address: ScsiAddress
  readonly #owner: QueueOwner
  /** Not wholly started, oldest first. */
  #pending: BlockRequest[] = []
  #removed: DeviceError | undefined

  constructor(adapter: StorvscAdapter, address: ScsiAddress, owner: QueueOwner) {
    this.#adapter = adapter
    this.#requests = adapter.requests
    this.#address = address
    this.#owner = owner
  }

  submit(request: BlockRequest): void {
    const refusal = this.#removed ?? refusalOf(request, this.#owner)
    if (refusal !== undefined) {
      request.error = refusal
      this.#adapter.clock.soon(() => request.onDone(request))
      return
    }
    if (request.operation === BlockOperation.flush) request.length = 0
    request.begin()
    if (request.located !== request.buffer) this.#locate(request)
    if (this.#pending.length === 0 && this.#advance(request)) return
    this.#pending.push(request)
    this.#requests.wait(this)
  }

  /** Takes a request back that nothing has been started of. @returns whether it was. */
  cancel(request: BlockRequest): boolean {
    if (request.started > 0 || request.pieces > 0 || !this.#pending.includes(request)) return false
    this.#pending = this.#pending.filter((other) => other !== request)
    return true
  }

  /** The unit is gone: what waits ends now, what the host has ends with its answer. */
  remove(reason: DeviceError): void {
    this.#removed ??= reason
    this.#requests.forget(this)
    const pending = this.#pending
    this.#pending = []
    for (const request of pending) {
      request.giveUp(reason)
      if (request.pieces === 0) request.onDone(request)
    }
  }

  pump(): boolean {
    if (this.#adapter.closed) this.remove(new DeviceError('removed', `${this.#owner.name}: the controller is gone`))
    let done = 0
    for (const request of this.#pending) {
      if (!this.#advance(request)) break
      done++
    }
    if (done > 0) this.#pending.splice(0, done)
    return this.#pending.length > 0
  }

  requestDone(request: StorvscRequest): void {
    const block = request.tag as BlockRequest
    if (request.srbStatus !== 1 || request.scsiStatus !== 0 || request.transferred !== request.length) {
      if (this.#trouble(request, block)) return
    } else if (request.bounce !== undefined && block.operation === BlockOperation.read) {
      const { bytes } = request.bounce.run
      block.buffer.set(bytes.subarray(0, request.length), request.tagOffset)
    }
    this.#requests.release(request)
    if (--block.pieces > 0 || block.started < block.length) return
    if (block.durable && !block.flushed && this.#needsFlush(block)) {
      if (this.#startFlush(block)) return
      this.#pending.push(block)
      this.#requests.wait(this)
      return
    }
    block.onDone(block)
  }

  #locate(request: BlockRequest): void {
    request.gpa = gpaOf(this.#adapter.channel.memory, request.buffer)
    request.located = request.buffer
  }

  /** Starts as many pieces as there are requests and buffers for. @returns whether all have been. */
  #advance(block: BlockRequest): boolean {
    const adapter = this.#adapter
    if (block.operation === BlockOperation.flush) return block.flushed || this.#startFlush(block)
    if (block.length > 0 && block.started === block.length && block.pieces === 0) return this.#startFlush(block)
    while (block.started < block.length) {
      const length = Math.min(block.length - block.started, adapter.maxTransferBytes)
      const request = block.gpa < 0 ? this.#takeWithBounce(block, length) : this.#requests.take(0)
      if (block.error !== undefined) return true
      if (request === undefined) return false
      const { bounce } = request
      const write = block.operation === BlockOperation.write
      this.#fill(request, block)
      request.length = length
      request.direction = write ? SrbDataDirection.WRITE : SrbDataDirection.READ
      const { blockSize } = this.#owner
      encodeReadWrite(
        request,
        write,
        (block.offset + block.started) / blockSize,
        length / blockSize,
        block.durable && this.#owner.forcesWrites,
      )
      if (bounce === undefined) {
        request.gpa = block.gpa + block.started
        adapter.statistics.dataInPlace++
      } else {
        request.gpa = bounce.run.gpa
        request.tagOffset = block.started
        adapter.statistics.dataBounced++
        if (write) bounce.run.bytes.set(block.buffer.subarray(block.started, block.started + length))
      }
      block.started += length
      block.pieces++
      adapter.submit(request)
    }
    return true
  }

  #needsFlush(block: BlockRequest): boolean {
    const { writeCache, forcesWrites } = this.#owner
    return block.operation === BlockOperation.write && writeCache && !forcesWrites && block.error === undefined
  }

  #startFlush(block: BlockRequest): boolean {
    const request = this.#requests.take(0)
    if (request === undefined) return false
    this.#fill(request, block)
    request.cdb[0] = ScsiOpcode.SYNCHRONIZE_CACHE_10
    request.cdbLength = 10
    block.flushed = true
    block.pieces++
    this.#adapter.submit(request)
    return true
  }

  #fill(request: StorvscRequest, block: BlockRequest): void {
    const { path, target, lun } = this.#address
    request.path = path
    request.target = target
    request.lun = lun
    request.cpu = block.cpu
    request.owner = this
    request.tag = block
  }

  #takeWithBounce(block: BlockRequest, length: number): StorvscRequest | undefined {
    try {
      return this.#requests.take(length)
    } catch (cause) {
      block.giveUp(new DeviceError('io', `${this.#owner.name}: no guest memory for ${length} bytes`, { cause }))
      if (block.pieces === 0) this.#adapter.clock.soon(() => block.onDone(block))
      return undefined
    }
  }

  /** @returns whether the request goes out again; otherwise the block request has its error. */
  #trouble(request: StorvscRequest, block: BlockRequest): boolean {
    const verdict = judge(request)
    switch (verdict.action) {
      case 'good':
        // A short transfer that calls itself success is none.
        if (request.transferred === request.length) return false
        break
      case 'attention':
        this.#owner.attention(verdict.asc, verdict.ascq)
        if (request.retries++ < MAX_WAITS) return this.#again(request)
        break
      case 'retry':
        if (request.retries++ < this.#adapter.settings.retryCount) return this.#again(request)
        break
      case 'wait':
        if (request.retries++ >= MAX_WAITS) break
        this.#adapter.statistics.retries++
        this.#adapter.clock.after(WAIT_MS, () => this.#adapter.submit(request))
        return true
      case 'removed':
        this.#owner.unitGone()
        break
      case 'fail':
    }
    this.#failed(request, block, verdict)
    return false
  }

  #again(request: StorvscRequest): true {
    this.#adapter.statistics.retries++
    this.#adapter.submit(request)
    return true
  }

  #failed(request: StorvscRequest, block: BlockRequest, verdict: Verdict): void {
    const error = outcomeError(request, verdict)
    block.giveUp(error)
    const { path, target, lun } = this.#address
    const { name } = this.#owner
    this.#adapter.log.log('error', `(${name}:${path}:${target}:${lun}): ${error.message}`, `io-${name}`)
  }
}
