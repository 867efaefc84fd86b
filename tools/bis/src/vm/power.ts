import { IcError } from '@bis/host'
import { CliError } from '../cli-error.ts'
import type { PowerOrder } from './power-options.ts'
import type { VerbContext } from './verb.ts'
import type { VirtualMachine } from './virtual-machine.ts'

/**
 * Asks the guest, then waits until it is off.
 * @throws CliError `failed` when the guest refuses, has no component for it, or stays on
 */
export async function shutDown(
  machine: VirtualMachine,
  { offMs, ...order }: PowerOrder,
  { signal, progress }: VerbContext,
): Promise<void> {
  const { services } = machine.running()
  const off = machine.guestOff()
  try {
    await services.shutdown.order({ ...order, signal })
  } catch (error) {
    if (error instanceof IcError) throw new CliError('failed', `${machine.name}: ${error.message}`)
    throw error
  }
  progress(`${machine.name}: the guest has agreed`)
  if (await passes(off, offMs, signal)) return
  throw new CliError('failed', `${machine.name}: the guest agreed, and is still on after ${offMs / 1000} s`)
}

/** Pulls the plug, then waits until everything of the guest is put away. */
export async function turnOff(machine: VirtualMachine): Promise<void> {
  const off = machine.guestOff()
  await machine.running().turnOff()
  await off
}

/** Whether the promise resolves in this time. @throws the signal's reason when that is aborted */
async function passes(promise: Promise<void>, milliseconds: number, signal: AbortSignal): Promise<boolean> {
  let stop: () => void = () => {}
  const late = new Promise<boolean>((resolve, reject) => {
    const timer = setTimeout(() => resolve(false), milliseconds)
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    stop = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
  })
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    stop()
  }
}
