/** Reads the compiled kernel's layouts, and lays ours out in the same terms: name → first bit and width. */
import { readFileSync } from 'node:fs'
import type { AnyLayout, Register } from '../../src/struct/index.ts'

interface OracleMember {
  readonly name: string
  readonly offset: number
  readonly type: string
  readonly size: number
  readonly bit?: number
  readonly bits?: number
  readonly members?: readonly OracleMember[]
}

interface Oracle {
  readonly structs: Readonly<Record<string, { readonly size: number; readonly members: readonly OracleMember[] }>>
  readonly enums: Readonly<Record<string, { readonly values: Readonly<Record<string, number | string>> }>>
}

const text = readFileSync(new URL('../fixtures/linux-6.1-hyperv-layouts.json', import.meta.url), 'utf8')

/** Numbers that a JavaScript number cannot hold are kept as text. */
export const oracle = JSON.parse(text.replaceAll(/: (\d{16,})/g, ': "$1"')) as Oracle

/** A place in bits from the beginning of the structure. */
export interface Place {
  readonly name: string
  readonly start: number
  readonly width: number
}

/** All members of a kernel structure, those of unnamed and locally declared parts without their part's name. */
export function oraclePlaces(members: readonly OracleMember[], base = 0): Place[] {
  return members.flatMap((member) => {
    const start = (base + member.offset) * 8 + (member.bit ?? 0)
    const own: Place = { name: member.name, start, width: member.bits ?? member.size * 8 }
    const inner = member.members !== undefined && member.type.includes('(anon)')
    return inner ? [own, ...oraclePlaces(member.members, base + member.offset)] : [own]
  })
}

/** All fields of a layout of ours; members of unions and bit-fields stand beside their union or word. */
export function ourPlaces(fields: AnyLayout['fields']): Place[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const own: Place = { name, start: field.offset * 8, width: field.size * 8 }
    if ('as' in field) return [own, ...ourPlaces(field.as as AnyLayout['fields'])]
    if ('bit' in field) return [own, ...bitPlaces(field.bit as Readonly<Record<string, BitPlace>>)]
    return [own]
  })
}

interface BitPlace {
  readonly offset: number
  readonly low: number
  readonly width: number
}

function bitPlaces(bits: Readonly<Record<string, BitPlace>>): Place[] {
  return Object.entries(bits).map(([name, { offset, low, width }]) => ({ name, start: offset * 8 + low, width }))
}

/** The fields of a register of ours. */
export function registerPlaces(register: Register<Readonly<Record<string, never>>>): Place[] {
  const fields = register.decode(0xffff_ffff_ffff_ffffn)
  return Object.entries<number>(fields).map(([name, ones]) => {
    const width = Math.round(Math.log2(ones + 1))
    const value = (register.encode as (fields: Record<string, number>) => bigint)({ [name]: 1 })
    return { name, start: value.toString(2).length - 1, width }
  })
}

export function isLayout(value: unknown): value is AnyLayout {
  return typeof value === 'object' && value !== null && 'fields' in value && 'decode' in value && 'alignment' in value
}

export function isRegister(value: unknown): value is Register<Readonly<Record<string, never>>> {
  return typeof value === 'object' && value !== null && 'mask' in value && 'decode' in value
}
