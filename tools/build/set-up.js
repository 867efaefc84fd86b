import { pnpm, readJson } from './run.js'
import { fingerprintSources, isFresh, removeStamp, writeStamp } from './stamp.js'

/**
 * Installs what the lockfile names and builds every package, unless both were done for the sources as they are.
 * Ends the process with the failing step's exit code.
 * @param show false keeps the steps' output away from stdout: a terminal gets it on stderr, a script not at all
 */
export async function setUp({ show = true } = {}) {
  requireNode()
  const fingerprint = fingerprintSources()
  if (isFresh(fingerprint)) return
  removeStamp()
  const output = show ? ['ignore', 'inherit', 'inherit'] : ['ignore', process.stderr.isTTY ? 2 : 'ignore', 2]
  const step = async (title, args) => {
    if (show) console.log(`\n== ${title}`)
    const code = await pnpm(args, output)
    if (code === 0) return
    console.error(`${title} failed with status ${code}`)
    process.exit(code)
  }
  await step('Installing dependencies', ['install', '--frozen-lockfile', '--prefer-offline'])
  await step('Building packages', ['exec', 'turbo', 'run', 'build', '--output-logs=errors-only'])
  writeStamp(fingerprint)
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  console.error(`Node.js ${process.version} is too old: this repository needs ${readJson('package.json').engines.node}`)
  process.exit(1)
}
