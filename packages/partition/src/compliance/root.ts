import type { SynicRoot } from '@bis/hyperv-types'

/** A root that writes down what it is told. */
export class NotingRoot implements SynicRoot {
  readonly posts: { connectionId: number; type: number; payload: Uint8Array; vp: number }[] = []
  readonly signals: { connectionId: number; flag: number; vp: number }[] = []
  readonly notes: string[] = []
  /** What it answers to posts. */
  status = 0

  messagePosted(connectionId: number, type: number, payload: Uint8Array, vp: number): number {
    if (this.status === 0) this.posts.push({ connectionId, type, payload: payload.slice(), vp })
    return this.status
  }

  eventSignaled(connectionId: number, flag: number, vp: number): number {
    this.signals.push({ connectionId, flag, vp })
    return 0
  }

  partitionReset(): void {
    this.notes.push('reset')
  }

  partitionGone(reason: string): void {
    this.notes.push(`gone: ${reason}`)
  }
}
