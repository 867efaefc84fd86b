import { copyBytes, EtherType } from '@bis/hyperv-types/ethernet'
import type { PortSettings } from '../vswitch/port-settings.ts'
import { MOST_STREAM_FRAME } from '../vswitch/stream-framing.ts'
import { SwitchFrame } from '../vswitch/switch-frame.ts'
import type { PortClient, SwitchPort } from '../vswitch/switch-port.ts'
import type { VirtualSwitch } from '../vswitch/virtual-switch.ts'
import { FrameStream } from './frame-stream.ts'

export interface StreamPortOptions {
  readonly switch: VirtualSwitch
  /** Of the UNIX-domain socket. */
  readonly path: string
  /** `server` listens; `client`, the default, connects. */
  readonly role?: 'client' | 'server'
  readonly port?: PortSettings
}

/** An external port of a switch at a QEMU stream socket. Tags are in the frames there, beside them in the switch. */
export class StreamPort implements PortClient, AsyncDisposable {
  readonly takesChecksums = false
  readonly takesSegments = 0
  readonly port: SwitchPort
  #stream: FrameStream | undefined
  readonly #frame = new SwitchFrame()
  readonly #bytes = new Uint8Array(MOST_STREAM_FRAME)

  private constructor(options: StreamPortOptions) {
    const { path, port } = options
    this.port = options.switch.addPort({ name: `stream:${path}`, kind: 'external', ...port }, this)
  }

  /** @throws the system's error when the socket cannot be used; the switch has no new port then */
  static async open(options: StreamPortOptions): Promise<StreamPort> {
    const port = new StreamPort(options)
    const handlers = {
      onFrame: (bytes: Uint8Array, offset: number, length: number) => port.#received(bytes, offset, length),
      onBatchEnd: () => port.port.flush(),
    }
    try {
      port.#stream = await FrameStream[options.role === 'server' ? 'listen' : 'connect'](options.path, handlers)
      return port
    } catch (error) {
      port.port.remove()
      throw error
    }
  }

  get connectedToPeer(): boolean {
    return this.#stream?.connected ?? false
  }

  /** Frames that the peer was too slow for, or that came while there was none. */
  get dropped(): number {
    return this.#stream?.dropped ?? 0
  }

  deliver({ bytes, offset, length, vlan, priority }: SwitchFrame): void {
    this.#stream?.cork()
    this.#stream?.send(bytes, offset, length, vlan === 0 ? 0 : (priority << 13) | vlan)
  }

  flush(): void {
    this.#stream?.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.port.remove()
    await this.#stream?.[Symbol.asyncDispose]()
  }

  #received(source: Uint8Array, at: number, sourceLength: number): boolean {
    if (sourceLength < 14) return true
    const frame = this.#frame
    const bytes = this.#bytes
    frame.clear()
    frame.bytes = bytes
    frame.offset = 0
    const tagged = sourceLength >= 18 && ((source[at + 12] ?? 0) << 8) + (source[at + 13] ?? 0) === EtherType.VLAN
    if (!tagged) {
      copyBytes(bytes, 0, source, at, sourceLength)
      frame.length = sourceLength
    } else {
      const tci = ((source[at + 14] ?? 0) << 8) | (source[at + 15] ?? 0)
      copyBytes(bytes, 0, source, at, 12)
      copyBytes(bytes, 12, source, at + 16, sourceLength - 16)
      frame.length = sourceLength - 4
      frame.vlan = tci & 0xfff
      frame.priority = tci >> 13
    }
    this.port.send(frame)
    return true
  }
}
