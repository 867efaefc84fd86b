import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { havePrograms } from './programs.ts'

const FOLDERS = ['kvp', 'utils'].map((name) =>
  fileURLToPath(new URL(`../../../packages/${name}/etc/`, import.meta.url)),
)
const FILES = FOLDERS.flatMap((folder) => readdirSync(folder).map((name) => folder + name))

describe('service files', () => {
  const units = FILES.filter((path) => path.endsWith('.service'))
  const scripts = FILES.filter((path) => !path.endsWith('.service'))

  it('are there for each daemon, and run it', () => {
    const runs = (paths: string[]) =>
      paths.map((path) => readFileSync(path, 'utf8').match(/(?:bis|program}) (\w+d)\b/)?.[1])
    expect(runs(units)).toEqual(['kvpd', 'fcopyd', 'vssd'])
    expect(runs(scripts)).toEqual(['kvpd', 'fcopyd', 'vssd'])
  })

  it.skipIf(!havePrograms('sh'))('rc.d scripts are shell scripts without a mistake in their syntax', () => {
    for (const path of scripts) execFileSync('sh', ['-n', path])
  })

  it.skipIf(!havePrograms('systemd-analyze'))('systemd units hold nothing that systemd does not know', () => {
    for (const path of units) {
      const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', path], {
        encoding: 'utf8',
      })
      expect(stderr.split('\n').filter((line) => line.startsWith(path))).toEqual([])
    }
  })
})
