import type { Attachment, Device, DeviceDescription, DeviceState, Driver, Logger, SysctlNode } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import type { DriverKernel } from './kernel.ts'

/** What a node asks of the tree it belongs to. */
export interface Tree {
  readonly kernel: DriverKernel
  /** Finds the driver with the highest priority and gives the node its unit. @returns undefined when none wants it. */
  probe(node: DeviceNode): Driver | undefined
  /** The node's unit number is free again. */
  release(node: DeviceNode): void
}

/** A device of the tree: one place where its state changes, from `alive` through `attached` to `gone`. */
export class DeviceNode implements Device {
  readonly parent: DeviceNode | undefined
  readonly location: string
  readonly pnpinfo: string
  readonly ivars: unknown
  readonly #tree: Tree
  #state: DeviceState = 'not-present'
  #driver: Driver | undefined
  #unit = -1
  #description = ''
  #failure: Error | undefined
  #children: DeviceNode[] = []
  #attachment: Attachment | undefined
  #sysctl: SysctlNode | undefined
  #abort = new AbortController()
  #attaching: Promise<void> = Promise.resolve()
  #detaching: Promise<void> | undefined

  constructor(tree: Tree, parent: DeviceNode | undefined, description: DeviceDescription) {
    this.#tree = tree
    this.parent = parent
    this.location = description.location
    this.pnpinfo = description.pnpinfo
    this.ivars = description.ivars
  }

  get state(): DeviceState {
    return this.#state
  }

  get driver(): Driver | undefined {
    return this.#driver
  }

  get unit(): number {
    return this.#unit
  }

  get description(): string {
    return this.#description
  }

  get nameunit(): string {
    return this.#driver === undefined ? this.location : `${this.#driver.name}${this.#unit}`
  }

  get children(): readonly DeviceNode[] {
    return this.#children
  }

  get kernel(): DriverKernel {
    return this.#tree.kernel
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  get log(): Logger {
    return this.kernel.dmesg.logger(`${this.nameunit}: `)
  }

  get sysctl(): SysctlNode {
    if (this.#driver === undefined) {
      throw new DeviceError('not-supported', `${this.location} has no driver, so it has no sysctl node`)
    }
    if (this.#sysctl === undefined) {
      const node = this.kernel.sysctl.child(`dev.${this.#driver.name}.${this.#unit}`)
      this.#sysctl = node
      node.leaf('%desc', 'device description', () => this.#description)
      node.leaf('%driver', 'device driver name', () => this.#driver?.name ?? '')
      node.leaf('%location', 'device location relative to parent', () => this.location)
      node.leaf('%pnpinfo', 'device identification', () => this.pnpinfo)
      node.leaf('%parent', 'parent device', () => this.parent?.nameunit ?? '')
    }
    return this.#sysctl
  }

  addChild(description: DeviceDescription): DeviceNode {
    const child = new DeviceNode(this.#tree, this, description)
    this.#children.push(child)
    child.probeAndAttach()
    return child
  }

  async removeChild(child: Device): Promise<void> {
    const node = this.#children.find((other) => other === child)
    if (node === undefined) return
    await node.detach('gone')
    this.#children = this.#children.filter((other) => other !== node)
  }

  async settled(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.#attaching))
  }

  async earlierSettled(): Promise<void> {
    const siblings = this.parent?.children ?? []
    await Promise.all(siblings.slice(0, siblings.indexOf(this)).map((sibling) => sibling.#attaching))
  }

  fail(error: Error): void {
    if (this.#state === 'gone' || this.#state === 'failed') return
    this.#failure = error
    this.log.log('error', `failed: ${error.message}`)
    void this.detach('failed')
  }

  /** Looks for a driver and starts its attach; called again when a driver was loaded later. */
  probeAndAttach(): void {
    if (this.#state !== 'not-present' && this.#state !== 'failed') return
    const driver = this.#tree.probe(this)
    if (driver === undefined) return
    this.#abort = new AbortController()
    this.#detaching = undefined
    this.#failure = undefined
    this.#state = 'attaching'
    this.#attaching = this.#attach(driver)
  }

  /** The tree's answer to a probe. */
  bind(driver: Driver, unit: number, description: string): void {
    this.#driver = driver
    this.#unit = unit
    this.#description = description
    this.#state = 'alive'
  }

  /** Everything attach did, undone, children first; once, however often it is asked for. */
  async detach(end: 'gone' | 'failed' | 'not-present'): Promise<void> {
    this.#detaching ??= this.#detach(end)
    await this.#detaching
    if (end === 'gone') this.#state = 'gone'
  }

  async suspend(): Promise<void> {
    for (const child of this.#children.toReversed()) await child.suspend()
    await this.#attaching
    if (this.#state !== 'attached') return
    await this.#attachment?.suspend?.()
    this.#state = 'suspended'
  }

  async resume(): Promise<void> {
    if (this.#state === 'suspended') {
      await this.#attachment?.resume?.()
      this.#state = 'attached'
    }
    for (const child of [...this.#children]) await child.resume()
  }

  async shutdown(): Promise<void> {
    for (const child of this.#children.toReversed()) await child.shutdown()
    await this.#attaching
    if (this.#state === 'attached') await this.#attachment?.shutdown?.()
  }

  async #attach(driver: Driver): Promise<void> {
    const on = this.parent === undefined ? '' : ` on ${this.parent.nameunit}`
    this.log.log('info', `<${this.#description}>${on}`)
    try {
      const attachment = await driver.attach(this, this.#abort.signal)
      this.#attachment = attachment
      if (this.#state === 'attaching') this.#state = 'attached'
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      if (this.#abort.signal.aborted) return
      this.kernel.log.log('error', `device_attach: ${this.nameunit} attach failed: ${this.#failure.message}`)
      this.#state = 'failed'
      await this.#removeChildren()
      this.#unbind()
    }
  }

  async #detach(end: 'gone' | 'failed' | 'not-present'): Promise<void> {
    const bound = this.#driver !== undefined
    this.#state = 'detaching'
    this.#abort.abort(new DeviceError('removed', `${this.nameunit} is being removed`))
    await this.#removeChildren()
    await this.#attaching
    await this.#removeChildren()
    const attachment = this.#attachment
    this.#attachment = undefined
    try {
      await attachment?.[Symbol.asyncDispose]()
    } catch (error) {
      this.log.log('error', `detach failed: ${error instanceof Error ? error.message : String(error)}`)
    }
    if (bound && attachment !== undefined) this.log.log('info', 'detached')
    this.#unbind()
    this.#state = end
  }

  async #removeChildren(): Promise<void> {
    for (const child of this.#children.toReversed()) await this.removeChild(child)
  }

  #unbind(): void {
    this.#sysctl?.remove()
    this.#sysctl = undefined
    if (this.#driver === undefined) return
    this.#tree.release(this)
    this.#driver = undefined
    this.#unit = -1
  }
}
