import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { bundle } from '@bis/build/bundle'
import { expect, it } from 'vitest'
import { PoolFolder } from '../../src/node/index.ts'
import { temporaryFolder } from '../support/folder.ts'

it('[KV-10] processes that write at the same time lose nothing of each other', async () => {
  await using folder = await temporaryFolder()
  await new PoolFolder({ folder: folder.path, create: 'private' }).create()
  const child = await bundle(new URL('../support/writer-child.ts', import.meta.url))
  const names = ['a', 'b', 'c']
  await Promise.all(names.map((name) => promisify(execFile)(process.execPath, [child, folder.path, name])))
  const entries = await new PoolFolder({ folder: folder.path }).pool(1).list()
  const expected = names.flatMap((name) => Array.from({ length: 50 }, (_, i) => `${name} ${i * 2}`))
  expect(entries.map(({ key }) => key).sort()).toEqual([...expected, 'shared'].sort())
  expect(entries.find(({ key }) => key === 'shared')?.value).toMatch(/^[abc] 99$/)
})
