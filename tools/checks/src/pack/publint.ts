import { readFileSync } from 'node:fs'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import type { Packed } from './tarball.ts'

/** Whether the published files and package.json agree, for every tool that reads them. */
export async function checkPublished({ tarball }: Packed): Promise<string[]> {
  const { messages, pkg: packed } = await publint({
    pack: { tarball: new Uint8Array(readFileSync(tarball)).buffer },
    strict: true,
  })
  return messages.map((message) => `publint: ${formatMessage(message, packed, { color: false }) ?? message.code}`)
}
