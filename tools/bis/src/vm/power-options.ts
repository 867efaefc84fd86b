import type { ShutdownAction, ShutdownOrder } from '@bis/host'
import { CliError } from '../cli-error.ts'
import type { OptionSpec } from '../command.ts'
import type { ControlRequest } from './control-protocol.ts'

export const POWER_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  force: { type: 'boolean', short: 'f', help: 'whatever programs in the guest say to it' },
  reason: { type: 'string', value: 'TEXT', help: "for the guest's log" },
  timeout: { type: 'string', value: 'SECONDS', help: 'how long the guest may take; default 300' },
}

const DEFAULT_TIMEOUT = 300
const MOST_TIMEOUT = 86_400

export interface PowerOrder extends ShutdownOrder {
  /** How long the guest may take until it is off. */
  readonly offMs: number
}

/** @throws CliError `usage` */
export function powerOrder(action: ShutdownAction, options: ControlRequest['options']): PowerOrder {
  const text = options['timeout'] ?? String(DEFAULT_TIMEOUT)
  const seconds = typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : 0
  if (seconds < 1 || seconds > MOST_TIMEOUT)
    throw new CliError('usage', `--timeout ${String(text)}: a number of seconds from 1 to ${MOST_TIMEOUT}`)
  const reason = options['reason']
  return {
    action,
    force: options['force'] === true,
    offMs: seconds * 1000,
    ...(typeof reason === 'string' ? { reason } : {}),
  }
}
