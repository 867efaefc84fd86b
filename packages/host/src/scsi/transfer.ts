import { ScsiStatus } from '@bis/hyperv-types/scsi'
import type { DiskBackend } from './backend.ts'
import type { ScsiRequest } from './request.ts'
import { codeOf, senseOf } from './scsi-fault.ts'

/** Runs that go to an asynchronous backend one by one; more of them are gathered in one buffer. */
const MAX_DIRECT_RUNS = 8

/**
 * Fills the first `length` bytes of the request's buffer from the disk, in place wherever the memory allows.
 * The runs of a scattered buffer are read side by side.
 */
export function readData(
  backend: DiskBackend,
  offset: number,
  request: ScsiRequest,
  length: number,
): Promise<void> | undefined {
  const { data } = request
  if (data.count === 1) return backend.read(offset, data.window(0, length))
  if (data.count <= MAX_DIRECT_RUNS && data.isAlignedTo(backend.logicalSectorSize)) {
    return eachRun(request, offset, length, (at, window) => backend.read(at, window))
  }
  const whole = new Uint8Array(length)
  const pending = backend.read(offset, whole)
  if (pending === undefined) {
    data.write(0, whole)
    return undefined
  }
  return pending.then(() => void data.write(0, whole))
}

/** Writes the first `length` bytes of the request's buffer to the disk. */
export function writeData(
  backend: DiskBackend,
  offset: number,
  request: ScsiRequest,
  length: number,
): Promise<void> | undefined {
  const { data } = request
  if (data.count === 1) return backend.write(offset, data.window(0, length))
  if (data.count <= MAX_DIRECT_RUNS && data.isAlignedTo(backend.logicalSectorSize)) {
    return eachRun(request, offset, length, (at, window) => backend.write(at, window))
  }
  const whole = new Uint8Array(length)
  data.read(0, whole)
  return backend.write(offset, whole)
}

function eachRun(
  { data }: ScsiRequest,
  offset: number,
  length: number,
  move: (offset: number, window: Uint8Array) => Promise<void> | undefined,
): Promise<void> | undefined {
  const pending: Promise<void>[] = []
  let done = 0
  for (let index = 0; index < data.count && done < length; index++) {
    const window = data.window(index, length - done)
    try {
      const promise = move(offset + done, window)
      if (promise !== undefined) pending.push(promise)
    } catch (error) {
      pending.push(Promise.reject(error))
    }
    done += window.length
  }
  // All are waited for, also after a failure: a backend must not write into the guest once the command has ended.
  return pending.length === 0 ? undefined : Promise.allSettled(pending).then(firstFailure)
}

function firstFailure(results: readonly PromiseSettledResult<void>[]): void {
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

/** Runs `work`, then ends the request GOOD with `transferred` bytes, or with the sense of what went wrong. */
export function finish(
  request: ScsiRequest,
  work: () => Promise<void> | undefined,
  transferred: number,
  writing: boolean,
): Promise<void> | undefined {
  try {
    const pending = work()
    if (pending !== undefined) {
      return pending.then(
        () => request.good(transferred),
        (error: unknown) => failed(request, error, writing),
      )
    }
  } catch (error) {
    return failed(request, error, writing)
  }
  return request.good(transferred)
}

/** Ends a request with what a backend's error means. */
export function failed(request: ScsiRequest, error: unknown, writing: boolean): undefined {
  switch (codeOf(error)) {
    case 'busy':
      return request.busy(ScsiStatus.BUSY)
    case 'task-set-full':
      return request.busy(ScsiStatus.TASK_SET_FULL)
    default:
      return request.check(senseOf(error, writing))
  }
}
