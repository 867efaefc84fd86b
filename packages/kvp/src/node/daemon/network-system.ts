import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Interfaces, ListInterfaces } from './adapters.ts'
import { listInterfaces } from './adapters.ts'
import { namesIn, textOf } from './files.ts'
import type { RunCommand } from './run-command.ts'
import { runCommand } from './run-command.ts'

export interface NetworkOptions {
  /** Folder of what is handed to a hook. */
  readonly folder: string
  /** Program that applies a configuration in place of ours; it gets the paths of the files. */
  readonly hook?: string | undefined
  /** Where the system's files are; default `/`. */
  readonly root?: string
  readonly run?: RunCommand
  readonly interfaces?: ListInterfaces
}

/** The system whose network is asked for and set: its files, by paths below its root, its interfaces and its programs. */
export class NetworkSystem {
  readonly folder: string
  readonly hook: string | undefined
  readonly run: RunCommand
  readonly #root: string
  readonly #interfaces: ListInterfaces

  constructor({ folder, hook, root = '/', run = runCommand, interfaces = listInterfaces }: NetworkOptions) {
    this.folder = folder
    this.hook = hook
    this.run = run
    this.#root = root
    this.#interfaces = interfaces
  }

  interfaces(): Interfaces {
    return this.#interfaces()
  }

  path(...parts: readonly string[]): string {
    return join(this.#root, ...parts)
  }

  isThere(path: string): boolean {
    return existsSync(this.path(path))
  }

  /** The file's text, undefined when it cannot be read. */
  text(path: string): string | undefined {
    return textOf(this.path(path))
  }

  /** What is in a folder, by paths below the root. */
  list(folder: string): string[] {
    return namesIn(this.path(folder)).map((name) => `${folder}/${name}`)
  }
}
