import { describe, it } from 'vitest'
import { scriptBeds } from './bed.ts'
import { ringCases } from './cases.ts'

for (const bed of scriptBeds) {
  describe(bed.name, () => {
    for (const { name, run } of ringCases) it(name, () => run(bed))
  })
}
