import type { ChannelRecord } from './channel-record.ts'
import type { ControlPlane } from './control-plane.ts'

/**
 * What holds between any two calls of a control plane. For tests and debugging.
 * @returns what is violated; empty when all is well
 */
export function brokenInvariants(control: ControlPlane): string[] {
  const broken: string[] = []
  const check: Check = (holds, text) => {
    if (!holds) broken.push(text())
  }
  const ids = new Set<number>()
  let pages = 0
  let count = 0
  let incomplete = 0
  for (const record of control.channels) {
    const name = new Name(record)
    const { at } = control.state
    check(record.client === 'unknown' || at === 'connected', () => `${name} is known to a guest that is ${at}`)
    check(record.client === 'unknown' || record.channelId !== 0, () => `${name} is known without an id`)
    check(record.channelId === 0 || !ids.has(record.channelId), () => `${name} shares its id`)
    if (record.channelId !== 0) ids.add(record.channelId)
    const mayHaveId = record.client !== 'unknown' || record.reserved
    check(mayHaveId || record.channelId === 0, () => `${name} has an id that the guest does not know`)
    check(
      record.channelId === 0 || control.channelById(record.channelId) === record,
      () => `${name} is not found by its id`,
    )
    check(record.client !== 'revoked' || record.withdrawn, () => `${name} is revoked and not withdrawn`)
    check(!record.group.withdrawn || record.withdrawn, () => `${name} outlives its device`)
    checkSubchannel(record, name, check)
    if (record.device.at !== 'closed') {
      const ring = record.gpadls.get(record.device.request.ring.handle)
      const released = record.client === 'unknown'
      check(released || ring?.state === 'ready' || ring?.state === 'waiting', () => `${name} has its ring in no GPADL`)
    }
    for (const gpadl of record.gpadls.values()) {
      pages += gpadl.pageCount
      count++
      const isIncomplete = gpadl.state === 'incomplete'
      if (isIncomplete) incomplete++
      check(!isIncomplete || control.gpadls.isIncomplete(gpadl.handle), () => `${name}: unfinished GPADL is not listed`)
      check(isIncomplete || gpadl.memory !== undefined, () => `${name}: finished GPADL without memory`)
    }
    check(
      at !== 'disconnected' || record.reserved || record.gpadls.size === 0,
      () => `${name} keeps GPADLs of no connection`,
    )
    check(at !== 'disconnected' || record.reserved || record.device.at === 'closed', () => `${name} is open to no one`)
  }
  check(pages === control.gpadls.pages, () => `${pages} pages in GPADLs, ${control.gpadls.pages} counted`)
  check(count === control.gpadls.count, () => `${count} GPADLs, ${control.gpadls.count} counted`)
  check(
    incomplete === control.gpadls.incompleteCount,
    () => `${incomplete} unfinished GPADLs, ${control.gpadls.incompleteCount} listed`,
  )
  return broken
}

type Check = (holds: boolean, text: () => string) => void

/** A channel's name in a report, put together only when there is one. */
class Name {
  readonly #record: ChannelRecord

  constructor(record: ChannelRecord) {
    this.#record = record
  }

  toString(): string {
    const { key, channelId, client, device } = this.#record
    return `channel ${key} (id ${channelId}, ${client}, ${device.at})`
  }
}

function checkSubchannel(record: ChannelRecord, name: Name, check: Check): void {
  if (record.isPrimary) return
  const primary = record.group.channels.find((channel) => channel.isPrimary)
  check(primary?.client !== 'revoked' || record.client !== 'offered', () => `${name} outlives its primary`)
}
