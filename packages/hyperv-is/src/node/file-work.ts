import { chmod, chown, mkdir, open, rename, rmdir, unlink } from 'node:fs/promises'

/** Whose a file is and what may be done with it. */
export interface FileAttributes {
  readonly mode: number
  /** Undefined: whoever writes it. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

/** What the transaction does to files; tests make it fail. */
export interface FileWork {
  /** Makes a file anew, its bytes on the disk; one that is there is an error. */
  writeFile(path: string, bytes: Uint8Array, attributes: FileAttributes): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  mkdir(path: string, attributes: FileAttributes): Promise<void>
  rmdir(path: string): Promise<void>
  /** Brings a folder's entries to the disk. */
  syncFolder(path: string): Promise<void>
}

export const realFileWork: FileWork = {
  async writeFile(path, bytes, attributes) {
    // Exclusive, so that a symbolic link under that name is not followed.
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(bytes)
      await own((uid, gid) => file.chown(uid, gid), attributes)
      await file.chmod(attributes.mode)
      await file.sync()
    } finally {
      await file.close()
    }
  },
  rename,
  unlink,
  async mkdir(path, attributes) {
    await mkdir(path)
    await own((uid, gid) => chown(path, uid, gid), attributes)
    await chmod(path, attributes.mode)
  },
  rmdir,
  async syncFolder(path) {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
}

/** Who is not the superuser cannot give files away; what they write is theirs then. */
async function own(chown: (uid: number, gid: number) => Promise<void>, { owner }: FileAttributes): Promise<void> {
  if (owner === undefined) return
  await chown(owner.uid, owner.gid).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
  })
}
