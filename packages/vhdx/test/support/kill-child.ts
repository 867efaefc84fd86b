/** The process that is killed: works on an image by the script, and tells each call before it is made and after. */
import { writeSync } from 'node:fs'
import { openFile } from '../../src/node/index.ts'
import { killScript } from './kill-script.ts'
import { Random } from './random.ts'
import { sectorContent } from './sector-history.ts'

const [path = '', seed = '0'] = process.argv.slice(2)
const disk = await openFile(path)
const say = (line: string) => writeSync(1, `${line}\n`)
let number = 0
let tag = 0
for (const calls of killScript(new Random(Number(seed)), disk.blockSize, disk.sizeBytes)) {
  await Promise.all(
    calls.map(async (call) => {
      const mine = number++
      say(`i ${mine}`)
      switch (call.do) {
        case 'write':
          await disk.write(call.offset, sectorContent(512, call.offset, call.length, ++tag))
          break
        case 'trim':
          await disk.trim(call.offset, call.length)
          break
        case 'zero':
          await disk.writeZeroes(call.offset, call.length)
          break
        case 'resize':
          await disk.resize(call.sizeBytes)
          break
        case 'flush':
          await disk.flush()
          break
        case 'compact':
          await disk.compact()
          break
      }
      say(`d ${mine}`)
    }),
  )
}
