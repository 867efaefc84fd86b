import { VSTOR_PACKET_BYTES_SHORT, vstorPacket } from '@bis/hyperv-types/storage'
import type { SavedAnswer } from './channel-worker.ts'
import type { SessionPhase } from './session.ts'

/** What is left of a channel when its bus is saved: plain data. */
export interface SavedChannel {
  /** On the primary channel: how far the guest was. */
  readonly phase: SessionPhase
  /** Negotiated VSTOR version, 0 before. */
  readonly version: number
  readonly answers: readonly SavedAnswer[]
}

const PHASES: readonly unknown[] = ['begin', 'query-version', 'query-properties', 'end-initialization', 'ready']
const MAX_ANSWERS = 4096

/**
 * Checks saved state as if the guest had sent it: it may be from elsewhere.
 * @returns undefined for what no release of this package has written
 */
export function readSavedChannel(value: unknown, versions: readonly number[]): SavedChannel | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { phase, version, answers } = value as Record<string, unknown>
  if (!PHASES.includes(phase) || typeof version !== 'number' || !Array.isArray(answers)) return undefined
  const negotiated = phase !== 'begin' && phase !== 'query-version'
  if (negotiated ? !versions.includes(version) : version !== 0) return undefined
  if (answers.length > MAX_ANSWERS || !answers.every(isAnswer)) return undefined
  return { phase: phase as SessionPhase, version, answers }
}

function isAnswer(value: unknown): value is SavedAnswer {
  if (!Array.isArray(value) || value.length !== 3) return false
  const [low, high, bytes] = value as unknown[]
  if (!isUnsigned(low, 0xffff_ffff) || !isUnsigned(high, 0xffff_ffff) || !Array.isArray(bytes)) return false
  const fits = bytes.length === VSTOR_PACKET_BYTES_SHORT || bytes.length === vstorPacket.size
  return fits && bytes.every((byte) => isUnsigned(byte, 0xff))
}

function isUnsigned(value: unknown, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max
}
