// `npm start`: install, build, and boot a guest on a small disk, or on the one named after `--`.
import { runBis } from './command.js'
import { setUp } from './set-up.js'

await setUp()
await runBis(['start', ...process.argv.slice(2)])
