import { VMBUS_FIRST_GPADL_HANDLE } from '@bis/hyperv-types/vmbus'

/** Numbers the GPADLs of a connection: one after another, never 0. */
export class GpadlHandles {
  #next: number

  constructor(first = VMBUS_FIRST_GPADL_HANDLE) {
    this.#next = first
  }

  take(): number {
    const handle = this.#next
    this.#next = handle === 0xffff_ffff ? 1 : handle + 1
    return handle
  }
}
