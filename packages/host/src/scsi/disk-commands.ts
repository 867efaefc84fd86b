import { capacity10, serviceActionIn } from './capacity.ts'
import { Opcode } from './codes.ts'
import type { Disk } from './disk.ts'
import { inquiry } from './inquiry.ts'
import { modeSelect, modeSense } from './mode.ts'
import { formatUnit, noOperation, requestSense, sendDiagnostic, startStopUnit } from './primary.ts'
import { read, synchronizeCache, verify, write, writeAndVerify } from './read-write.ts'
import type { ScsiRequest } from './request.ts'
import { persistentReserveIn, persistentReserveOut } from './reservation-commands.ts'
import { unmap } from './unmap.ts'
import { writeSame } from './write-same.ts'

/** Does one command. Called after everything that concerns all commands has been checked. */
export type DiskCommand = (unit: Disk, request: ScsiRequest) => Promise<void> | undefined

/** Commands by opcode. */
export const diskCommands: readonly (DiskCommand | undefined)[] = table([
  [Opcode.testUnitReady, noOperation],
  [Opcode.requestSense, requestSense],
  [Opcode.formatUnit, formatUnit],
  [Opcode.read6, read],
  [Opcode.read10, read],
  [Opcode.read12, read],
  [Opcode.read16, read],
  [Opcode.write6, write],
  [Opcode.write10, write],
  [Opcode.write12, write],
  [Opcode.write16, write],
  [Opcode.writeAndVerify10, writeAndVerify],
  [Opcode.writeAndVerify12, writeAndVerify],
  [Opcode.writeAndVerify16, writeAndVerify],
  [Opcode.verify10, verify],
  [Opcode.verify12, verify],
  [Opcode.verify16, verify],
  [Opcode.synchronizeCache10, synchronizeCache],
  [Opcode.synchronizeCache16, synchronizeCache],
  [Opcode.inquiry, inquiry],
  [Opcode.modeSelect6, modeSelect],
  [Opcode.modeSelect10, modeSelect],
  [Opcode.modeSense6, modeSense],
  [Opcode.modeSense10, modeSense],
  [Opcode.reserve6, noOperation],
  [Opcode.release6, noOperation],
  [Opcode.startStopUnit, startStopUnit],
  [Opcode.sendDiagnostic, sendDiagnostic],
  [Opcode.preventAllow, noOperation],
  [Opcode.readCapacity10, capacity10],
  [Opcode.serviceActionIn16, serviceActionIn],
  [Opcode.writeSame10, writeSame],
  [Opcode.writeSame16, writeSame],
  [Opcode.unmap, unmap],
  [Opcode.persistentReserveIn, persistentReserveIn],
  [Opcode.persistentReserveOut, persistentReserveOut],
])

function table(entries: readonly (readonly [number, DiskCommand])[]): readonly (DiskCommand | undefined)[] {
  const commands = new Array<DiskCommand | undefined>(256).fill(undefined)
  for (const [opcode, command] of entries) commands[opcode] = command
  return commands
}
