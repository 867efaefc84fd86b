/** One of several processes that add keys to a pool at the same time, and change one that they share. */
import { PoolFolder } from '../../src/node/index.ts'

const [folder = '', name = ''] = process.argv.slice(2)
const pool = new PoolFolder({ folder, lockTimeoutMs: 60_000 }).pool(1)
for (let i = 0; i < 100; i++) {
  await pool.change([
    { set: `${name} ${i}`, value: `${i}` },
    { set: 'shared', value: `${name} ${i}` },
  ])
  if (i % 2 === 1) await pool.delete(`${name} ${i}`)
}
