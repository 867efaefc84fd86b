/** The process that is killed: changes a pool without end; every value tells its key and is the same throughout. */
import { writeSync } from 'node:fs'
import { PoolFolder } from '../../src/node/index.ts'

const [folder = '', seed = '1'] = process.argv.slice(2)
const pool = new PoolFolder({ folder, create: 'private' }).pool(1)
let state = Number(seed)
const below = (limit: number): number => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
  return (state >>> 8) % limit
}
writeSync(1, 'r\n')
for (let number = 0; ; number++) {
  const key = `key ${below(40)}`
  const value = `${key}=${number};`.repeat(90 - below(60)).slice(0, 1000)
  const other = `other ${below(10)}`
  const act = below(10)
  writeSync(1, `${number}\n`)
  if (act < 6) await pool.set(key, value)
  else if (act < 8) await pool.delete(key)
  else await pool.change([{ delete: other }, { set: key, value }, { append: other, value: `${other}=0;` }])
}
