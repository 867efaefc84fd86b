import { createMappedMemory } from '@bis/hyperv-types/mapped-memory'
import { Partition } from '@bis/partition'
import { SynicGuest } from '@bis/partition/compliance'
import { connectSocketRoot } from '@bis/partition/node'

/** A guest in a process of its own, which posts as long as it lives. */
const [path = '', directory = ''] = process.argv.slice(2)
const memory = await createMappedMemory(2 ** 21, { directory })
const partition = new Partition({ memory: memory.memory })
const root = await connectSocketRoot(partition, { path, memory })
const guest = new SynicGuest(partition)
guest.start()
console.log('connected')
void root.ended.then(({ reason }) => {
  console.log(`ended: ${reason}`)
  process.exit(3)
})
let number = 0
setInterval(() => guest.post(1, Uint8Array.of(number++ & 0xff)), 1)
