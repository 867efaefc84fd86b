import type { CharacterDevice, CharacterDevices } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'

/** The guest's `/dev`, as far as daemons talk to drivers through it. */
export class DeviceFiles implements CharacterDevices {
  readonly #devices = new Map<string, CharacterDevice>()

  /** @throws DeviceError `busy` when the path is taken */
  add(device: CharacterDevice): () => void {
    const { path } = device
    if (this.#devices.has(path)) throw new DeviceError('busy', `/dev/${path} is there already`)
    this.#devices.set(path, device)
    return () => {
      if (this.#devices.get(path) === device) this.#devices.delete(path)
    }
  }

  get(path: string): CharacterDevice | undefined {
    return this.#devices.get(path)
  }

  list(): readonly CharacterDevice[] {
    return [...this.#devices.values()]
  }
}
