import type { TaskFile } from './registers.ts'

/** How a drive answers the command in hand. When the channel was reset meanwhile, nothing of it has an effect. */
export interface CommandPort {
  /** The guest takes these bytes; then `done`. */
  send(bytes: Uint8Array, done: () => void): void
  /** The guest gives these bytes; then `done`. The first part of a command's data comes without an interrupt. */
  receive(bytes: Uint8Array, quiet: boolean, done: () => void): void
  /** @param quiet without an interrupt, as after the last data that the guest took */
  complete(quiet?: boolean): void
  /** @param error bits of the error register */
  fail(error: number): void
}

/** A disk or optical drive on an IDE channel. */
export interface IdeDrive {
  /** Registers `mid` and `high` after a reset. */
  readonly signature: readonly [mid: number, high: number]
  /** A bus that carries packets takes DEVICE RESET while busy. */
  readonly packet: boolean
  /** Begins a command; every command ends in `complete` or `fail`. */
  command(code: number, file: TaskFile, port: CommandPort): void
}
