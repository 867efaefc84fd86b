import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './run.js'

/** Holds the fingerprint of the sources that were last installed and built. */
const STAMP = join(root, 'node_modules/.cache/bis/stamp')

const SKIPPED = new Set(['node_modules', 'dist', 'test', 'bench', 'coverage'])

/** Whether what is installed and built belongs to the sources as they are now. */
export function isFresh(fingerprint) {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === fingerprint && packages().every(isBuilt)
}

export function writeStamp(fingerprint) {
  mkdirSync(dirname(STAMP), { recursive: true })
  writeFileSync(STAMP, fingerprint)
}

export function removeStamp() {
  rmSync(STAMP, { force: true })
}

/**
 * Path and content of every file that the installation or a build depends on, as one hash.
 * @param base the folder of the repository
 */
export function fingerprintSources(base = root) {
  const hash = createHash('sha256').update(process.version)
  const add = (path) => {
    const content = readFileSync(join(base, path))
    hash.update(`${path} ${content.length}\n`).update(content)
  }
  const walk = (folder) => {
    for (const entry of entriesOf(base, folder)) {
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) walk(path)
      else if (!/\.test\.ts$|\.md$/.test(entry.name)) add(path)
    }
  }
  for (const entry of entriesOf(base, '.')) if (entry.isFile() && /\.(json|yaml)$/.test(entry.name)) add(entry.name)
  for (const folder of packages(base)) walk(folder)
  return hash.digest('hex')
}

/** The folders of all workspace packages, from the root. */
export function packages(base = root) {
  return ['packages', 'tools']
    .flatMap((group) => entriesOf(base, group).map((entry) => `${group}/${entry.name}`))
    .filter((folder) => existsSync(join(base, folder, 'package.json')))
}

function entriesOf(base, folder) {
  return readdirSync(join(base, folder), { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith('.') && !SKIPPED.has(entry.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function isBuilt(folder) {
  return !existsSync(join(root, folder, 'tsup.config.ts')) || existsSync(join(root, folder, 'dist'))
}
