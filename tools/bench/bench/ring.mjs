// The whole bench from the build: `pnpm bench`, or `pnpm bench --json`.
import { benchRing, benchTable } from '@bis/bench/ring'

const json = process.argv.includes('--json')
const onRow = json ? () => {} : (row) => console.error(benchTable([row]).split('\n').at(-1))
const rows = await benchRing({ onRow })
console.log(json ? JSON.stringify(rows, null, 2) : benchTable(rows))
