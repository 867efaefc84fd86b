import { NtStatus, VstorOperation, VstorVersion } from '@bis/hyperv-types/storage'

/** Where the guest is in its initialisation. */
export type SessionPhase = 'begin' | 'query-version' | 'query-properties' | 'end-initialization' | 'ready'

export interface SessionLimits {
  /** Versions spoken, in any order. */
  readonly versions: readonly number[]
  readonly fibreChannel: boolean
}

/**
 * The initialisation of one controller by its guest: which packet may come when. It only decides; what an accepted packet
 * does is the controller's business. A packet out of order changes nothing.
 */
export class Session {
  phase: SessionPhase = 'begin'
  /** Negotiated version, 0 before. */
  version = 0
  readonly #limits: SessionLimits

  constructor(limits: SessionLimits) {
    this.#limits = limits
  }

  get ready(): boolean {
    return this.phase === 'ready'
  }

  /** ENUMERATE_BUS exists from 4.2 on. */
  get canAnnounce(): boolean {
    return this.ready && this.version >= VstorVersion.V4_2
  }

  get canHaveSubchannels(): boolean {
    return this.version >= VstorVersion.V5_1
  }

  /** The bus was restored with the guest as far as it was. */
  resume(phase: SessionPhase, version: number): void {
    this.phase = phase
    this.version = version
  }

  /** The primary channel was closed. */
  restart(): void {
    this.phase = 'begin'
    this.version = 0
  }

  /**
   * A packet on the primary channel, EXECUTE_SRB and the resets excepted.
   * @param argument the version asked for, with QUERY_PROTOCOL_VERSION
   * @returns the NTSTATUS of the answer; with SUCCESS the step has been taken.
   */
  accept(operation: number, argument: number): NtStatus {
    switch (this.phase) {
      case 'begin':
        return this.#step(operation === VstorOperation.BEGIN_INITIALIZATION, 'query-version')
      case 'query-version':
        if (operation !== VstorOperation.QUERY_PROTOCOL_VERSION) return NtStatus.INVALID_DEVICE_STATE
        if (!this.#limits.versions.includes(argument)) return NtStatus.REVISION_MISMATCH
        this.version = argument
        return this.#step(true, 'query-properties')
      case 'query-properties':
        return this.#step(operation === VstorOperation.QUERY_PROPERTIES, 'end-initialization')
      case 'end-initialization':
        if (operation === VstorOperation.END_INITIALIZATION) return this.#step(true, 'ready')
        if (operation === VstorOperation.FCHBA_DATA && this.#limits.fibreChannel) return NtStatus.SUCCESS
        return this.#subchannels(operation)
      case 'ready':
        return this.#subchannels(operation)
    }
  }

  #subchannels(operation: number): NtStatus {
    return operation === VstorOperation.CREATE_SUB_CHANNELS ? NtStatus.SUCCESS : NtStatus.INVALID_DEVICE_STATE
  }

  #step(allowed: boolean, next: SessionPhase): NtStatus {
    if (!allowed) return NtStatus.INVALID_DEVICE_STATE
    this.phase = next
    return NtStatus.SUCCESS
  }
}
