export type PortWidth = 1 | 2 | 4

/** The ISA port space of a generation 1 machine, and its interrupt lines. */
export interface PortIo {
  /** An unsigned number; all ones where there is no device. */
  read(port: number, width: PortWidth): number
  write(port: number, width: PortWidth, value: number): void
  /** Installs the service routine of an interrupt line (14 is the first IDE channel), or removes it. */
  setIrq(line: number, isr: (() => void) | undefined): void
}

/** An emulated device at I/O ports. It is given every access within its ranges, of any width. */
export interface PortDevice {
  readonly ranges: readonly { readonly base: number; readonly size: number }[]
  /** How it raises its interrupt lines; called when it is plugged in. */
  connect(raise: (line: number) => void): void
  read(port: number, width: PortWidth): number
  write(port: number, width: PortWidth, value: number): void
}

/** What the PCI bus knows of a function: the ivars of its device. */
export interface PciFunction {
  readonly bus: number
  readonly slot: number
  readonly function: number
  readonly vendor: number
  readonly device: number
  /** Base class, subclass and programming interface: 0x010180 is an IDE controller. */
  readonly class: number
  readonly revision: number
  readonly io: PortIo
  readConfig(offset: number, width: PortWidth): number
  writeConfig(offset: number, width: PortWidth, value: number): void
}

/** A disk or drive that an IDE channel has found: the ivars of its device. */
export interface AtaUnit {
  readonly kind: 'disk' | 'optical'
  /** Channel and place on it, each 0 or 1. */
  readonly channel: number
  readonly target: number
  /** As IDENTIFY tells it. */
  readonly model: string
  readonly controller: PciFunction
}
