import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PoolFolder } from '../../src/node/index.ts'
import { temporaryFolder } from '../support/folder.ts'
import { compile, havePrograms } from '../support/programs.ts'

let folder: AsyncDisposable & { readonly path: string }
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder[Symbol.asyncDispose]())

describe.skipIf(process.platform === 'win32' || !havePrograms('gcc'))('a lock as the daemon takes it', () => {
  it('keeps us out until it is released, and ours keeps it out', async () => {
    const program = join(folder.path, 'hold-lock')
    compile(fileURLToPath(new URL('../support/hold-lock.c', import.meta.url)), program)
    const impatient = new PoolFolder({ folder: folder.path, create: 'private', lockTimeoutMs: 50 }).pool(0)
    await impatient.set('a', '1')
    const holder = spawn(program, [impatient.path], { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      await once(holder.stdout, 'data')
      await expect(impatient.set('a', '2')).rejects.toMatchObject({ code: 'locked' })
      await expect(impatient.list()).rejects.toMatchObject({ code: 'locked' })
      const unlocked = new PoolFolder({ folder: folder.path, lock: 'none' }).pool(0)
      expect(await unlocked.get('a')).toBe('1')
      const patient = new PoolFolder({ folder: folder.path }).pool(0).set('a', '3')
      holder.stdin.end()
      await patient
      expect(await impatient.get('a')).toBe('3')
    } finally {
      holder.kill()
    }
  })
})
