import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freezeMounts } from './freeze-mounts.ts'

const POINTS = ['/bis-c', '/bis-b', '/']
const never = new AbortController().signal
let folder: string
let fsfreeze: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-freeze-'))
  fsfreeze = join(folder, 'stub')
  await writeFile(
    fsfreeze,
    `#!/bin/sh\necho "$1 $2" >> ${folder}/log\nif test "$2" = "$(cat ${folder}/bad)"; then echo "$2: busy" >&2; exit 1; fi\n`,
  )
  await chmod(fsfreeze, 0o755)
  await writeFile(join(folder, 'log'), '')
  await writeFile(join(folder, 'bad'), '')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const seen = async (): Promise<string[]> => (await readFile(join(folder, 'log'), 'utf8')).split('\n').filter(Boolean)

describe.skipIf(process.platform === 'win32')('freezing mounted file systems', () => {
  const lines: string[] = []
  const log = { log: (_: string, text: string) => void lines.push(text) }
  const select = () => ({ freeze: POINTS, skipped: [{ point: '/cd', why: 'it is read-only' }] })
  const hook = (clock: Clock = systemClock) => freezeMounts({ log, fsfreeze, select, clock, frozenMs: 5000 })

  it('[VS-02] all are frozen in order and thawed in reverse, once', async () => {
    const mounts = hook()
    await mounts.freeze(never)
    expect(await seen()).toEqual(['-f /bis-c', '-f /bis-b', '-f /'])
    await mounts.thaw()
    await mounts.thaw()
    expect((await seen()).slice(3)).toEqual(['-u /', '-u /bis-b', '-u /bis-c'])
  })

  it('[VS-02] what was frozen before one that cannot be is thawed', async () => {
    await writeFile(join(folder, 'bad'), '/')
    await expect(hook().freeze(never)).rejects.toThrow('/: busy')
    expect((await seen()).slice(3)).toEqual(['-u /bis-b', '-u /bis-c'])
  })

  it('[VS-02] one that cannot be thawed does not keep the others frozen', async () => {
    const mounts = hook()
    await mounts.freeze(never)
    await writeFile(join(folder, 'bad'), '/bis-b')
    await expect(mounts.thaw()).rejects.toThrow('/bis-b: busy')
    expect((await seen()).slice(3)).toEqual(['-u /', '-u /bis-b', '-u /bis-c'])
  })

  it('[VS-02] all is thawed when the time is over, and the host is told at its own thaw', async () => {
    let expire = () => {}
    const after: Clock['after'] = (_, task) => {
      expire = task
      return { cancel: () => {} }
    }
    const mounts = hook({ ...systemClock, after })
    await mounts.freeze(never)
    expire()
    await expect(mounts.thaw()).rejects.toThrow('thawed already: nobody had asked for it in 5 s')
    expect((await seen()).length).toBe(6)
  })

  it('[VS-03] what is skipped is reported once', () => {
    const mounts = hook()
    lines.length = 0
    expect([mounts.check?.(), mounts.check?.()]).toEqual([true, true])
    expect(lines).toEqual(['a snapshot freezes /bis-c, /bis-b, /', 'not /cd: it is read-only'])
  })
})
