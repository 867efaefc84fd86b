import { createHash } from 'node:crypto'
import { PortError } from '../errors.ts'
import { PORT_NAME } from '../port/port-files.ts'
import type { RootFolder } from './root-folder.ts'

/** What is remembered of an installed port, as `pkg_info` keeps it: `+CONTENTS`, and beside it how files were before. */
export interface Registration {
  readonly release: string
  readonly version: string
  /** Path and MD5 of each file, as the package list has them. */
  readonly files: readonly { readonly path: string; readonly md5: string }[]
  /** The user's files that got lines of ours: their text before (null: there was none) and after. */
  readonly edited: readonly { readonly path: string; readonly before: string | null; readonly after: string }[]
  /** Folders that were made, deepest first. */
  readonly folders: readonly string[]
}

const FOLDER = `var/db/pkg/${PORT_NAME}`
export const CONTENTS = `${FOLDER}/+CONTENTS`
export const RESTORE = `${FOLDER}/+RESTORE`

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

/** The packing list in the form of pkg_create(1). */
export function contentsOf({ release, version, files }: Registration): string {
  const lines = files.flatMap(({ path, md5: sum }) => [path, `@comment MD5:${sum}`])
  return [
    '@comment PKG_FORMAT_REVISION:1.1',
    `@name ${PORT_NAME}-${version}`,
    `@comment ORIGIN:emulators/${PORT_NAME}`,
    `@comment OSREL:${release}`,
    '@cwd /',
    ...lines,
    '',
  ].join('\n')
}

/** What is installed in the root; undefined when the port is not. @throws PortError `bad-file`. */
export async function readRegistration(root: RootFolder): Promise<Registration | undefined> {
  const contents = await root.readText(CONTENTS)
  if (contents === undefined) return undefined
  const restore = await root.readText(RESTORE)
  try {
    const { edited, folders } = JSON.parse(restore ?? '') as Pick<Registration, 'edited' | 'folders'>
    const files = [...contents.matchAll(/^([^@\n].*)\n@comment MD5:([0-9a-f]{32})$/gm)]
    return {
      release: /^@comment OSREL:(.*)$/m.exec(contents)?.[1] ?? '',
      version: /^@name .*-([^-\n]*)$/m.exec(contents)?.[1] ?? '',
      files: files.map(([, path = '', sum = '']) => ({ path, md5: sum })),
      edited,
      folders,
    }
  } catch (cause) {
    throw new PortError('bad-file', `${root.path}/${RESTORE}: damaged`, { cause })
  }
}
