/**
 * A character device of the guest (`/dev/vmbus/hv_kvp`), as the kernel half of a driver offers it to a daemon. Reads and
 * writes are whole messages, as those of the kernels' devices are.
 */
export interface CharacterDevice {
  /** Below `/dev`: `vmbus/hv_kvp`. */
  readonly path: string
  /** @throws DeviceError `busy` while as many have it open as may, `removed` */
  open(): CharacterFile
}

/** An open character device: what a file descriptor is. */
export interface CharacterFile {
  /** What `poll` tells: `read` would give a message, or reject, at once. */
  readonly readable: boolean
  /**
   * The next message, when there is one.
   * @throws DeviceError `removed` when the device goes away, `aborted`, `invalid-argument` when reading makes no sense now
   */
  read(signal?: AbortSignal): Promise<Uint8Array>
  /** Hands over one message. @throws DeviceError `invalid-argument` for a length or content that the device does not take, `removed` */
  write(message: Uint8Array): void
  /** Calls the listener each time that `readable` becomes true; returns how to stop. */
  onReadable(listener: () => void): () => void
  /** The last close counts as the daemon's end. A second call does nothing. */
  close(): void
}

/** The character devices there are (devfs). */
export interface CharacterDevices {
  /** @returns how to take it away; what is open then reads `removed` */
  add(device: CharacterDevice): () => void
  get(path: string): CharacterDevice | undefined
  list(): readonly CharacterDevice[]
}
