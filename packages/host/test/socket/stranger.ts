import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { ControlMessage, MessageInit, MessageName } from '@bis/hyperv-types/vmbus'
import { encodeControlMessage, encodeGpaRanges, parseControlMessage } from '@bis/hyperv-types/vmbus'
import type { Frame } from '@bis/hyperv-types/vmbus-user'
import { encodeHello, encodeMemory, FrameReader, FrameType, FrameWriter } from '@bis/hyperv-types/vmbus-user'
import { until } from './guests.ts'

const MEMORY_BYTES = 2 ** 20
const PAGE = 4096

/** A message as it came to a processor's message page. */
export interface Delivered {
  readonly vp: number
  readonly sint: number
  readonly message: ControlMessage
}

/**
 * A guest that none of our guest code drives: a socket, a memory file, and messages written by hand. Its partition knows
 * no ports and answers every post with success.
 */
export class Stranger {
  readonly delivered: Delivered[] = []
  readonly events: { readonly vp: number; readonly sint: number; readonly flag: number }[] = []
  readonly #socket: Socket
  readonly #writer = new FrameWriter()
  readonly #path: string
  #acks = 0

  private constructor(socket: Socket, path: string) {
    this.#socket = socket
    this.#path = path
    const reader = new FrameReader()
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      reader.push(chunk)
      reader.drain((frame) => this.#take(frame))
    })
  }

  static async connect(socketPath: string, directory: string, processors: number): Promise<Stranger> {
    const path = join(directory, `stranger-${process.hrtime.bigint()}`)
    writeFileSync(path, new Uint8Array(MEMORY_BYTES))
    const stranger = new Stranger(connect({ path: socketPath }), path)
    stranger.#socket.write(encodeHello(processors))
    stranger.#socket.write(encodeMemory([{ gpa: 0, byteLength: MEMORY_BYTES, path, fileOffset: 0 }]))
    await until('both acknowledgements', () => stranger.#acks === 2)
    return stranger
  }

  post(payload: Uint8Array, connectionId: number, vp = 0): void {
    this.#socket.write(this.#writer.postMessage(connectionId, 1, vp, payload).slice())
  }

  signal(connectionId: number, vp = 0): void {
    this.#socket.write(this.#writer.signalEvent(connectionId, 0, vp).slice())
  }

  send<N extends MessageName>(name: N, init: MessageInit<N>, version: number, connectionId = 1): void {
    this.post(encodeControlMessage(name, init, version), connectionId)
  }

  contact(version: number, connectionId: number, targetVp = 0): void {
    const init: MessageInit<'INITIATE_CONTACT'> = {
      vmbus_version_requested: version,
      target_vcpu: targetVp,
      interrupt:
        version >= 0x5_0000
          ? { target: { msg_sint: 2, target_vtl: 0, feature_flags: 0 } }
          : { interrupt_page: 16 * PAGE },
      monitor_page1: 17 * PAGE,
      monitor_page2: 18 * PAGE,
      client_id: '00000000-0000-0000-0000-000000000000',
    }
    this.send('INITIATE_CONTACT', init, version, connectionId)
  }

  /** Waits for the next message of a name, and takes everything up to it. */
  async next(name: MessageName): Promise<Delivered> {
    const find = (): number => this.delivered.findIndex(({ message }) => message.name === name)
    await until(name, () => find() >= 0)
    const [found] = this.delivered.splice(0, find() + 1).slice(-1)
    if (found === undefined) throw new Error(`no ${name}`)
    return found
  }

  /** Opens a channel with two rings of two pages each, at page 64, and signals for this processor. */
  async open(channelId: number, version: number, vp: number): Promise<void> {
    const pfns = [64, 65, 66, 67]
    const range = encodeGpaRanges([{ byteCount: pfns.length * PAGE, byteOffset: 0, pfns }])
    const gpadl = 0xe1e10
    this.send(
      'GPADL_HEADER',
      { child_relid: channelId, gpadl, range_buflen: range.length, rangecount: 1, range },
      version,
    )
    await this.next('GPADL_CREATED')
    const open: MessageInit<'OPEN_CHANNEL'> = {
      child_relid: channelId,
      openid: channelId,
      ringbuffer_gpadlhandle: gpadl,
      target_vp: vp,
      downstream_ringbuffer_pageoffset: 2,
      userdata: new Uint8Array(120),
      signal_connection_id: 0,
      event_flag: 0,
      flags: { redirect_interrupt: 0 },
    }
    this.send('OPEN_CHANNEL', open, version)
    await this.next('OPEN_RESULT')
  }

  /** Writes bytes into its memory, by way of the file. */
  async poke(gpa: number, bytes: Uint8Array): Promise<void> {
    const file = await open(this.#path, 'r+')
    await file.write(bytes, 0, bytes.length, gpa)
    await file.close()
  }

  peek(gpa: number, length: number): Uint8Array {
    return readFileSync(this.#path).subarray(gpa, gpa + length)
  }

  leave(): void {
    this.#socket.destroy()
    rmSync(this.#path, { force: true })
  }

  #take({ type, view, base, bytes }: Frame): boolean {
    const word = (index: number): number => view.getUint32(base + 4 * index, true)
    if (type === FrameType.HELLO_ACK || type === FrameType.MEMORY_ACK) this.#acks++
    else if (type === FrameType.EVENT) this.events.push({ vp: word(0), sint: word(1), flag: word(2) })
    else if (type === FrameType.MESSAGE) {
      const message = parseControlMessage(bytes.slice(base + 16, base + 16 + word(3)))
      if (message.kind !== 'message') throw new Error(`the host sent a message that is ${message.kind}`)
      this.delivered.push({ vp: word(0), sint: word(1), message })
    }
    return true
  }
}
