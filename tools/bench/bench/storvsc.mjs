// Storage figures from the build: `pnpm bench:storvsc`, or `pnpm bench:storvsc --json`.
import { benchStorvsc, storvscTable } from '@bis/bench/storvsc'

const json = process.argv.includes('--json')
const rows = await benchStorvsc()
console.log(json ? JSON.stringify(rows, null, 2) : storvscTable(rows))
