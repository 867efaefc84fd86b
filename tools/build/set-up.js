import { pnpm, readJson } from './run.js'
import { fingerprintSources, isFresh, removeStamp, writeStamp } from './stamp.js'

/**
 * Installs what the lockfile names and builds every package, unless both were done for the sources as they are.
 * Ends the process with the failing step's exit code.
 * @param quiet for commands whose output is their own: prints only what a failing step printed, and titles on a terminal
 */
export async function setUp({ quiet = false } = {}) {
  requireNode()
  const fingerprint = fingerprintSources()
  if (isFresh(fingerprint)) return
  removeStamp()
  const step = async (title, args) => {
    if (!quiet) console.log(`\n== ${title}`)
    else if (process.stderr.isTTY) console.error(`${title} …`)
    const code = await pnpm(args, { quiet })
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
