import { describe, it } from 'vitest'
import { scatteredBeds, scriptBeds, wasmBeds } from './bed.ts'
import { ringCases } from './cases.ts'

for (const bed of [...scriptBeds, ...scatteredBeds, ...wasmBeds()]) {
  describe(bed.name, () => {
    for (const { name, run } of ringCases) it(name, () => run(bed))
  })
}
