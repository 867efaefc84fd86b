/** A file that the host wants to put here. */
export interface FileCopyStart {
  /** The last part of its path. */
  readonly name: string
  /** Where, as the host says: absolute, parts separated by `/`. */
  readonly folder: string
  /** Bytes. */
  readonly size: number
  /** An existing file may be replaced. */
  readonly overwrite: boolean
  /** Folders that are missing are to be made. */
  readonly createPath: boolean
}

/** Where the host's files go. All of it may reject with a FileCopyError. */
export interface FileCopyTarget {
  start(file: FileCopyStart): Promise<FileCopyWriter>
}

/** A file on its way: it is there under its name when `complete` has resolved, and not before. */
export interface FileCopyWriter {
  /** The bytes may be used until the promise resolves. */
  write(offset: number, data: Uint8Array): Promise<void>
  complete(): Promise<void>
  /** Leaves nothing behind. */
  cancel(): Promise<void>
}
