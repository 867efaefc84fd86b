import type { SavedServer } from './saved-server.ts'
import { RestoreError } from './saved-server.ts'

type Shape = 'number' | 'string' | 'boolean' | 'anything' | readonly ['list', Shape] | ShapeFields | Optional
interface ShapeFields {
  readonly [field: string]: Shape
}
class Optional {
  readonly shape: Shape

  constructor(shape: Shape) {
    this.shape = shape
  }
}

const GPADL: Shape = { handle: 'number', rangeCount: 'number', listBytes: 'number', waiting: 'boolean', list: 'string' }
const CHANNEL: Shape = {
  interfaceId: 'string',
  instanceId: 'string',
  subIndex: 'number',
  channelId: 'number',
  monitorId: new Optional('number'),
  revoked: 'boolean',
  gpadls: ['list', GPADL],
  open: new Optional({ message: 'string', device: 'anything' }),
  lost: 'boolean',
}
const SERVER: Shape = {
  connection: new Optional({ contact: 'string', offered: 'boolean', held: new Optional(['list', 'string']) }),
  channels: ['list', CHANNEL],
  inbox: ['list', 'string'],
}

/** Checks that something read from somewhere has the form of saved state. @throws RestoreError `bad-format` */
export function checkShape(saved: unknown): asserts saved is SavedServer {
  const format = isObject(saved) ? saved['format'] : undefined
  if (format !== 1)
    throw new RestoreError('bad-format', `saved state of format ${String(format)}; this release reads 1`)
  check(saved, SERVER, 'saved')
}

function check(value: unknown, shape: Shape, where: string): void {
  if (shape === 'anything') return
  if (shape instanceof Optional) {
    if (value !== undefined) check(value, shape.shape, where)
  } else if (typeof shape === 'string') {
    if (typeof value !== shape) throw mismatch(where, shape)
  } else if (isList(shape)) {
    if (!Array.isArray(value)) throw mismatch(where, 'list')
    for (const [index, item] of value.entries()) check(item, shape[1], `${where}[${index}]`)
  } else {
    if (!isObject(value)) throw mismatch(where, 'object')
    for (const [field, inner] of Object.entries(shape)) check(value[field], inner, `${where}.${field}`)
  }
}

function isList(shape: ShapeFields | readonly ['list', Shape]): shape is readonly ['list', Shape] {
  return Array.isArray(shape)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mismatch(where: string, wanted: string): RestoreError {
  return new RestoreError('bad-format', `${where} is no ${wanted}`)
}
