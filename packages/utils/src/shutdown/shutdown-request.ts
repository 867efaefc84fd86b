import type { PowerRequest } from '@bis/hyperv-types'
import { SHUTDOWN_FIXED_BYTES, SHUTDOWN_REASON_PLANNED, ShutdownFlag, shutdownMessage } from '@bis/hyperv-types/ic'
import { readUtf16z } from '@bis/hyperv-types/struct'

/** What the host asks of the guest's power. */
export interface ShutdownRequest {
  readonly action: PowerRequest
  /** Whether programs that object count; without force a guest may refuse. */
  readonly force: boolean
  /** SHTDN_REASON, as Windows has it. */
  readonly reasonCode: number
  readonly planned: boolean
  /** Seconds that the host would give the users to end their work. */
  readonly timeoutSeconds: number
  /** The host's text, one line; empty when there is none. */
  readonly text: string
}

const ACTIONS: ReadonlyMap<number, PowerRequest> = new Map([
  [0, 'power-off'],
  [ShutdownFlag.RESTART, 'reboot'],
  [ShutdownFlag.HIBERNATE, 'hibernate'],
])
const { reason_code, timeout_seconds, flags: flagsField, display_message } = shutdownMessage

/**
 * Reads a body of so many bytes, from `base` on. The text is optional and ends where the body does.
 * @returns undefined for a body without the fixed fields, or flags that mean nothing
 */
export function readShutdown(view: DataView, base: number, bodyLength: number): ShutdownRequest | undefined {
  if (bodyLength < SHUTDOWN_FIXED_BYTES) return undefined
  const flags = flagsField.get(view, base)
  const reasonCode = reason_code.get(view, base)
  const action = ACTIONS.get(flags & ~ShutdownFlag.FORCE)
  if (action === undefined) return undefined
  return {
    action,
    force: (flags & ShutdownFlag.FORCE) !== 0,
    reasonCode,
    planned: reasonCode >= SHUTDOWN_REASON_PLANNED,
    timeoutSeconds: timeout_seconds.get(view, base),
    text: readText(
      view,
      base + display_message.offset,
      Math.min(display_message.size, bodyLength - SHUTDOWN_FIXED_BYTES),
    ),
  }
}

/** UTF-16LE up to its NUL or the end of the bytes, as one line. */
function readText(view: DataView, at: number, byteLength: number): string {
  return readUtf16z(view, at, byteLength)
    .replaceAll(/\p{Surrogate}/gu, '\ufffd')
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
}
