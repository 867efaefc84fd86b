// Network figures from the build: `pnpm bench:netvsc`, or `pnpm bench:netvsc --json`.
import { benchNetvsc, netvscTable } from '@bis/bench/netvsc'

const json = process.argv.includes('--json')
const rows = await benchNetvsc()
console.log(json ? JSON.stringify(rows, null, 2) : netvscTable(rows))
