// `npm run -s bis -- …`: the command line as if it were installed.
import { runBis } from './command.js'
import { setUp } from './set-up.js'

await setUp({ quiet: true })
await runBis(process.argv.slice(2))
