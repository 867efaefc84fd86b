import type { Socket } from 'node:net'
import { CliError } from '../cli-error.ts'

/**
 * One request and its answer on a control socket: a line of JSON each way, lines about progress before the answer. The
 * connection ends with the answer; a client that hangs up earlier has given up.
 */
export interface ControlRequest {
  readonly verb: string
  /** What follows the machine's name on the command line. */
  readonly words: readonly string[]
  readonly options: Readonly<Record<string, string | boolean | readonly string[]>>
}

export type ControlReply =
  | { readonly progress: string }
  | { readonly result: unknown }
  | { readonly error: string; readonly code: 'usage' | 'input' | 'failed' }

/** A longer line is no request of ours. */
const LONGEST_LINE = 2 ** 20

/** Calls `onLine` for each line that arrives; throws the peer out when a line is too long. */
export function readLines(socket: Socket, onLine: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
    if (rest.length > LONGEST_LINE) socket.destroy()
  })
}

export function writeLine(socket: Socket, value: ControlRequest | ControlReply): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(value)}\n`)
}

/** @throws CliError `input` */
export function parseRequest(line: string): ControlRequest {
  const value = parseObject(line)
  const { verb, words, options } = value
  const good =
    typeof verb === 'string' &&
    Array.isArray(words) &&
    words.every((word) => typeof word === 'string') &&
    typeof options === 'object' &&
    options !== null
  if (!good) throw new CliError('input', 'this is no request for a machine')
  return { verb, words: words as string[], options: options as ControlRequest['options'] }
}

/** @throws CliError `failed` */
export function parseReply(line: string): ControlReply {
  const value = parseObject(line)
  if (typeof value['progress'] === 'string') return { progress: value['progress'] }
  if (typeof value['error'] === 'string') {
    const code = value['code'] === 'usage' ? 'usage' : 'failed'
    return { error: value['error'], code }
  }
  return { result: value['result'] }
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Said below.
  }
  throw new CliError('input', 'what arrived at the control socket is no JSON object')
}
