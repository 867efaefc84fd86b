// `npm run -s checks -- …`: one check, or all of them as `lint`. They find pnpm and the tools on the PATH that pnpm makes.
import { pnpm } from './run.js'
import { setUp } from './set-up.js'

await setUp({ quiet: true })
process.exitCode = await pnpm(['exec', 'node', 'tools/checks/dist/main.js', ...process.argv.slice(2)])
