import { IC_BODY_OFFSET, IC_MAX_VERSIONS, icNegotiate, icVersionWord } from '@bis/hyperv-types/ic'

/** Versions that a host offers, each major << 16 | minor, in its order. */
export interface OfferedVersions {
  readonly frameworks: readonly number[]
  readonly messages: readonly number[]
}

/** What both ends speak. */
export interface AgreedVersions {
  readonly framework: number
  readonly message: number
}

const LIST_OFFSET = IC_BODY_OFFSET + icNegotiate.size
const VERSION_BYTES = 4
/** Body of an answer: the header and the two versions chosen. */
export const NEGOTIATED_BODY_BYTES = icNegotiate.size + 2 * VERSION_BYTES

/**
 * The lists of a NEGOTIATE message, or undefined when they are not where its counts say.
 * @param bodyLength bytes of the body that are there, checked against the packet
 */
export function readOffer(view: DataView, bodyLength: number): OfferedVersions | undefined {
  if (bodyLength < icNegotiate.size) return undefined
  const frameworks = icNegotiate.icframe_vercnt.get(view, IC_BODY_OFFSET)
  const messages = icNegotiate.icmsg_vercnt.get(view, IC_BODY_OFFSET)
  const count = frameworks + messages
  if (frameworks === 0 || messages === 0 || count > IC_MAX_VERSIONS) return undefined
  if (bodyLength < icNegotiate.size + count * VERSION_BYTES) return undefined
  const versions = Array.from({ length: count }, (_, i) => readVersion(view, LIST_OFFSET + i * VERSION_BYTES))
  return { frameworks: versions.slice(0, frameworks), messages: versions.slice(frameworks) }
}

/** The newest of ours that the host lists, in both lists; undefined when one has nothing in common. */
export function chooseVersions(
  offered: OfferedVersions,
  frameworks: readonly number[],
  messages: readonly number[],
): AgreedVersions | undefined {
  const framework = newestCommon(frameworks, offered.frameworks)
  const message = newestCommon(messages, offered.messages)
  return framework === undefined || message === undefined ? undefined : { framework, message }
}

/** Writes the answer over the host's lists: one version of each, or none. */
export function writeAnswer(view: DataView, agreed: AgreedVersions | undefined): void {
  const count = agreed === undefined ? 0 : 1
  icNegotiate.icframe_vercnt.set(view, IC_BODY_OFFSET, count)
  icNegotiate.icmsg_vercnt.set(view, IC_BODY_OFFSET, count)
  if (agreed === undefined) return
  writeVersion(view, LIST_OFFSET, agreed.framework)
  writeVersion(view, LIST_OFFSET + VERSION_BYTES, agreed.message)
}

export function formatVersion(version: number): string {
  return `${Math.floor(version / 0x1_0000)}.${version % 0x1_0000}`
}

function newestCommon(ours: readonly number[], theirs: readonly number[]): number | undefined {
  return ours.toSorted((a, b) => b - a).find((version) => theirs.includes(version))
}

function readVersion(view: DataView, at: number): number {
  return icVersionWord(view.getUint16(at, true), view.getUint16(at + 2, true))
}

function writeVersion(view: DataView, at: number, version: number): void {
  view.setUint16(at, Math.floor(version / 0x1_0000), true)
  view.setUint16(at + 2, version % 0x1_0000, true)
}
