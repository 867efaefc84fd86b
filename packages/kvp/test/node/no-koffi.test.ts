import { execFile } from 'node:child_process'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bundle } from '@bis/build/bundle'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'

it('without koffi nothing is written, and the error says what helps', async () => {
  await using folder = await temporaryFolder()
  // Where no node_modules are in sight.
  const child = join(folder.path, 'child.mjs')
  await copyFile(await bundle(new URL('../support/kill-child.ts', import.meta.url)), child)
  const ended = promisify(execFile)(process.execPath, [child, folder.path])
  await expect(ended).rejects.toMatchObject({
    stderr: expect.stringMatching(/npm install koffi/),
  })
})
