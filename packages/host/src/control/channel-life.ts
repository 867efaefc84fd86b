import type { MessageBody } from '@bis/hyperv-types/vmbus'
import { encodeControlMessage, VMBUS_STATUS_FAILURE, VMBUS_STATUS_SUCCESS, VmbusVersion } from '@bis/hyperv-types/vmbus'
import type { ChannelRecord } from './channel-record.ts'
import type { ChannelTable } from './channel-table.ts'
import type { ControlContext } from './context.ts'
import type { GpadlTable } from './gpadl-table.ts'
import { isTarget, judgeOpen, judgeOpenReserved } from './open-request.ts'
import type { OpenRequest } from './types.ts'

/** Opening, closing, re-targeting, revoking and releasing of channels. */
export class ChannelLife {
  readonly #context: ControlContext
  readonly #table: ChannelTable
  readonly #gpadls: GpadlTable

  constructor(context: ControlContext, table: ChannelTable, gpadls: GpadlTable) {
    this.#context = context
    this.#table = table
    this.#gpadls = gpadls
  }

  open(record: ChannelRecord, body: MessageBody<'OPEN_CHANNEL'>): void {
    // The guest may have sent it before it saw the rescind; there is no answer to it then.
    if (record.client === 'revoked') return
    const { device } = record
    if (device.at === 'closed') this.#judgeAndOpen(record, body)
    else if (device.at === 'closing' && device.reopen === undefined && !record.reserved) {
      record.moveDevice({ ...device, reopen: () => this.#judgeAndOpen(record, body) })
    } else this.#unexpected(record, 'OPEN_CHANNEL')
  }

  close(record: ChannelRecord): void {
    if (record.client === 'revoked') return
    const { device } = record
    if (device.at === 'open' && !record.reserved) {
      this.#stopDevice(record, undefined)
      // Sub-channels go with their primary: guests wait for their rescind.
      if (record.isPrimary) this.#revokeSubchannels(record)
    } else if (device.at === 'closing' && device.reopen !== undefined && !record.reserved) {
      record.moveDevice({ ...device, reopen: undefined })
    } else this.#unexpected(record, 'CLOSE_CHANNEL')
  }

  openReserved(record: ChannelRecord, body: MessageBody<'OPEN_RESERVED_CHANNEL'>): void {
    if (record.client === 'revoked') return
    if (record.device.at !== 'closed') {
      this.#unexpected(record, 'OPEN_RESERVED_CHANNEL')
      return
    }
    const ring = this.#gpadls.find(record, body.ringbuffer_gpadlhandle)
    const request = judgeOpenReserved(record, body, ring, this.#context.limits)
    if (typeof request === 'string')
      this.#context.violation('bad-request', `open of reserved channel ${record.channelId}: ${request}`)
    else this.#startDevice(record, request)
  }

  /** Always answered, and to the target that the message names: who closes may not be who opened. */
  closeReserved(record: ChannelRecord | undefined, body: MessageBody<'CLOSE_RESERVED_CHANNEL'>): void {
    const { child_relid: channelId, target_vp: vp, target_sint: sint } = body
    if (!isTarget(vp, sint, this.#context.limits)) {
      this.#context.violation(
        'bad-request',
        `close of reserved channel ${channelId} for SINT ${sint} of processor ${vp}`,
      )
      return
    }
    const answer = () => {
      const message = encodeControlMessage(
        'CLOSE_RESERVED_CHANNEL_RESPONSE',
        { child_relid: channelId },
        VmbusVersion.V4_0,
      )
      this.#context.post({ vp, sint }, message)
    }
    if (record?.reserved === true && record.device.at === 'open') {
      this.#stopDevice(record, answer)
    } else {
      this.#context.violation('unexpected', `close of channel ${channelId}, which is not reserved and open`)
      answer()
    }
  }

  modify(record: ChannelRecord | undefined, body: MessageBody<'MODIFY_CHANNEL'>): void {
    const { child_relid: channelId, target_vp: vp } = body
    const refusal = this.#refuseModify(record, vp)
    if (refusal === undefined && record !== undefined) {
      this.#context.effect(() => this.#context.effects.retargetChannel(record, vp))
    } else if (record?.client !== 'revoked') {
      this.#context.violation('bad-request', `channel ${channelId} to processor ${vp}: ${refusal}`)
    }
    const status = refusal === undefined ? VMBUS_STATUS_SUCCESS : VMBUS_STATUS_FAILURE
    this.#context.send('MODIFY_CHANNEL_RESPONSE', { child_relid: channelId, status })
  }

  /** The device's answer to `openChannel`. */
  openDone(record: ChannelRecord, opened: boolean): void {
    const { device } = record
    if (device.at !== 'opening') return
    const { request } = device
    record.moveDevice(opened ? { at: 'open', request } : { at: 'closed' })
    const wanted = record.client === 'offered' || (request.reserved !== undefined && !record.withdrawn)
    if (wanted) this.#answerOpen(record, request, opened ? VMBUS_STATUS_SUCCESS : VMBUS_STATUS_FAILURE)
    else if (opened) this.#stopDevice(record, undefined)
    if (!opened) this.#deviceClosed(record)
  }

  /** The device's answer to `closeChannel`. */
  closeDone(record: ChannelRecord): void {
    const { device } = record
    if (device.at !== 'closing') return
    record.moveDevice({ at: 'closed' })
    this.#deviceClosed(record)
    device.reopen?.()
  }

  /** Takes a channel away from the guest; a device's primary goes last. */
  revoke(record: ChannelRecord): void {
    if (record.isPrimary) {
      record.group.withdrawn = true
      this.#revokeSubchannels(record)
    }
    record.withdrawn = true
    if (record.client === 'offered') {
      this.#context.send('RESCIND_OFFER', { child_relid: record.channelId })
      record.client = 'revoked'
    }
    this.halt(record)
    this.#gpadls.deviceClosed(record)
    this.settle(record)
  }

  released(record: ChannelRecord): void {
    if (record.client !== 'revoked') {
      this.#unexpected(record, 'RELID_RELEASED')
      return
    }
    this.#gpadls.drop(record)
    this.#table.forget(record)
    this.settle(record)
    this.#table.offerAll()
  }

  /** Clears away what is left of a channel once neither side has anything to do with it. */
  settle(record: ChannelRecord): void {
    if (record.client !== 'unknown' || record.device.at !== 'closed') return
    this.#gpadls.drop(record)
    this.#table.freeId(record)
    if (!this.#gpadls.isReleasing(record)) this.#table.removeIfDone(record)
  }

  /** Whether the device is opening, closing, or asked to let go of memory. */
  isBusy(record: ChannelRecord): boolean {
    return record.device.at === 'opening' || record.device.at === 'closing' || this.#gpadls.isReleasing(record)
  }

  /** Stops the device of a channel, whatever it is doing; a device that is opening is stopped when it has opened. */
  halt(record: ChannelRecord): void {
    const { device } = record
    if (device.at === 'open') this.#stopDevice(record, undefined)
    else if (device.at === 'closing' && !record.reserved) record.moveDevice({ ...device, reopen: undefined })
  }

  #revokeSubchannels(primary: ChannelRecord): void {
    for (const channel of [...primary.group.channels].reverse()) {
      if (channel !== primary && !channel.withdrawn) this.revoke(channel)
    }
  }

  #judgeAndOpen(record: ChannelRecord, body: MessageBody<'OPEN_CHANNEL'>): void {
    const { connection, limits } = this.#context
    if (connection === undefined || record.client !== 'offered' || record.device.at !== 'closed') return
    const ring = this.#gpadls.find(record, body.ringbuffer_gpadlhandle)
    const request = judgeOpen(record, body, ring, connection, limits)
    const refusal = typeof request === 'string' ? request : this.#refuseConnectionId(record, request.connectionId)
    if (typeof request === 'string' || refusal !== undefined) {
      this.#context.violation('bad-request', `open of channel ${record.channelId}: ${refusal}`)
      this.#context.send('OPEN_RESULT', {
        child_relid: record.channelId,
        openid: body.openid,
        status: VMBUS_STATUS_FAILURE,
      })
      return
    }
    this.#startDevice(record, request)
  }

  #refuseConnectionId(record: ChannelRecord, connectionId: number): string | undefined {
    for (const other of this.#table.records) {
      if (other !== record && other.device.at !== 'closed' && other.device.request.connectionId === connectionId) {
        return `connection id 0x${connectionId.toString(16)} is that of channel ${other.channelId}`
      }
    }
    return undefined
  }

  #refuseModify(record: ChannelRecord | undefined, vp: number): string | undefined {
    if (record === undefined || record.client === 'unknown') return 'no such channel'
    if (record.device.at !== 'open' || record.reserved) {
      // A rescinded channel keeps its answers until it is released.
      return record.client === 'revoked' ? 'it is revoked' : `it is ${record.device.at}`
    }
    if (!this.#context.limits.isProcessor(vp)) return 'there is no such processor'
    return undefined
  }

  #answerOpen(record: ChannelRecord, request: OpenRequest, status: number): void {
    const result = { child_relid: record.channelId, openid: request.openId, status }
    if (request.reserved === undefined) this.#context.send('OPEN_RESULT', result)
    else this.#context.post(request.reserved, encodeControlMessage('OPEN_RESULT', result, VmbusVersion.V4_0))
  }

  #startDevice(record: ChannelRecord, request: OpenRequest): void {
    record.moveDevice({ at: 'opening', request })
    this.#context.effect(() => this.#context.effects.openChannel(record, request))
  }

  #stopDevice(record: ChannelRecord, then: (() => void) | undefined): void {
    const { device } = record
    if (device.at !== 'open') return
    record.moveDevice({ at: 'closing', request: device.request, reopen: then })
    this.#context.effect(() => this.#context.effects.closeChannel(record))
  }

  #deviceClosed(record: ChannelRecord): void {
    this.#gpadls.deviceClosed(record)
    this.settle(record)
    this.#table.offerAll()
  }

  #unexpected(record: ChannelRecord, name: string): void {
    const text = `${name} for channel ${record.channelId}, which is ${record.client} and ${record.device.at}`
    this.#context.violation('unexpected', text)
  }
}
