import { describe, expect, it } from 'vitest'
import * as hypervisor from '../../src/hypervisor/index.ts'
import * as ic from '../../src/ic/index.ts'
import * as network from '../../src/network/index.ts'
import * as storage from '../../src/storage/index.ts'
import * as vmbus from '../../src/vmbus/index.ts'
import type { Counterpart } from './counterparts.ts'
import { COUNTERPARTS, REGISTER_COUNTERPARTS, WITHOUT_COUNTERPART } from './counterparts.ts'
import { ENUM_COUNTERPARTS } from './enum-counterparts.ts'
import type { Place } from './oracle.ts'
import { isLayout, isRegister, oracle, oraclePlaces, ourPlaces, registerPlaces } from './oracle.ts'

const exported: unknown[] = [vmbus, hypervisor, storage, ic, network].flatMap((module) => Object.values(module))
const layouts = new Map(exported.filter(isLayout).map((layout) => [layout.name, layout]))
const registers = new Map(exported.filter(isRegister).map((register) => [register.name, register]))

describe('layouts of the compiled kernel', () => {
  it.each(Object.entries(COUNTERPARTS))('%s', (name, counterpart) => {
    const layout = layouts.get(name)
    const struct = oracle.structs[name]
    if (layout === undefined || struct === undefined) throw new Error(`${name} is not on both sides`)
    expect(layout.size - (counterpart.longer?.by ?? 0)).toBe(struct.size)
    compare(ourPlaces(layout.fields), oraclePlaces(struct.members), counterpart)
  })

  it.each(Object.entries(REGISTER_COUNTERPARTS))('%s', (name, counterpart) => {
    const register = registers.get(name)
    const struct = oracle.structs[name]
    if (register === undefined || struct === undefined) throw new Error(`${name} is not on both sides`)
    compare(registerPlaces(register), oraclePlaces(struct.members), counterpart)
  })

  it('are all compared', () => {
    const known = new Set([...Object.keys(COUNTERPARTS), ...Object.keys(REGISTER_COUNTERPARTS), ...WITHOUT_COUNTERPART])
    const names = [...layouts.keys(), ...registers.keys()]
    expect(names.filter((name) => !known.has(name))).toEqual([])
    expect([...WITHOUT_COUNTERPART].filter((name) => name in oracle.structs)).toEqual([])
    expect([...known].filter((name) => !names.includes(name))).toEqual([])
  })
})

function compare(ours: readonly Place[], theirs: readonly Place[], counterpart: Counterpart): void {
  const found: string[] = []
  for (const place of ours) {
    if (counterpart.moved?.[place.name] !== undefined) continue
    const name = counterpart.renamed?.[place.name] ?? place.name
    const candidates = theirs.filter((other) => other.name === name)
    if (counterpart.added?.[place.name] !== undefined) {
      expect(candidates, `${place.name} is said to be ours only`).toEqual([])
      continue
    }
    expect(candidates, `no counterpart of ${place.name}`).not.toEqual([])
    // What fills the rest of a message has no width of its own.
    const same = candidates.some(
      ({ start, width }) => start === place.start && (place.width === 0 || width === place.width),
    )
    expect(same ? place : candidates[0], place.name).toEqual(same ? place : { ...place, name })
    found.push(place.name)
  }
  expect(found.length).toBeGreaterThan(0)
}

describe('enumerations of the compiled kernel', () => {
  it.each(Object.entries(ENUM_COUNTERPARTS))('%s', (name, { ours, prefix, renamed = {}, added = [], omitted = [] }) => {
    const theirs = oracle.enums[name]?.values ?? {}
    const expected = Object.entries(ours)
      .filter(([key]) => !added.includes(key))
      .map(([key, value]) => [prefix + (renamed[key] ?? key), value])
    // 32-bit values with the top bit set are sign-extended there.
    const actual = Object.entries(theirs)
      .filter(([key]) => !omitted.includes(key.slice(prefix.length)))
      .map(([key, value]) => [key, Number(BigInt.asUintN(32, BigInt(value)))])
    expect(Object.fromEntries(expected)).toEqual(Object.fromEntries(actual))
  })
})
