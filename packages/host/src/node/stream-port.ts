import type { PortSettings } from '../vswitch/port-settings.ts'
import { SwitchFrame } from '../vswitch/switch-frame.ts'
import type { PortClient, SwitchPort } from '../vswitch/switch-port.ts'
import type { VirtualSwitch } from '../vswitch/virtual-switch.ts'
import { WireFrameReader } from '../vswitch/wire-frame.ts'
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
  readonly #reader = new WireFrameReader()

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
    const frame = this.#frame
    if (this.#reader.read(frame, source, at, sourceLength)) this.port.send(frame)
    return true
  }
}
