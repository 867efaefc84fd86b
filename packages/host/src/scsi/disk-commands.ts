import { ScsiOpcode } from '@bis/hyperv-types/scsi'
import { capacity10, serviceActionIn } from './capacity.ts'
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
  [ScsiOpcode.TEST_UNIT_READY, noOperation],
  [ScsiOpcode.REQUEST_SENSE, requestSense],
  [ScsiOpcode.FORMAT_UNIT, formatUnit],
  [ScsiOpcode.READ_6, read],
  [ScsiOpcode.READ_10, read],
  [ScsiOpcode.READ_12, read],
  [ScsiOpcode.READ_16, read],
  [ScsiOpcode.WRITE_6, write],
  [ScsiOpcode.WRITE_10, write],
  [ScsiOpcode.WRITE_12, write],
  [ScsiOpcode.WRITE_16, write],
  [ScsiOpcode.WRITE_AND_VERIFY_10, writeAndVerify],
  [ScsiOpcode.WRITE_AND_VERIFY_12, writeAndVerify],
  [ScsiOpcode.WRITE_AND_VERIFY_16, writeAndVerify],
  [ScsiOpcode.VERIFY_10, verify],
  [ScsiOpcode.VERIFY_12, verify],
  [ScsiOpcode.VERIFY_16, verify],
  [ScsiOpcode.SYNCHRONIZE_CACHE_10, synchronizeCache],
  [ScsiOpcode.SYNCHRONIZE_CACHE_16, synchronizeCache],
  [ScsiOpcode.INQUIRY, inquiry],
  [ScsiOpcode.MODE_SELECT_6, modeSelect],
  [ScsiOpcode.MODE_SELECT_10, modeSelect],
  [ScsiOpcode.MODE_SENSE_6, modeSense],
  [ScsiOpcode.MODE_SENSE_10, modeSense],
  [ScsiOpcode.RESERVE_6, noOperation],
  [ScsiOpcode.RELEASE_6, noOperation],
  [ScsiOpcode.START_STOP_UNIT, startStopUnit],
  [ScsiOpcode.SEND_DIAGNOSTIC, sendDiagnostic],
  [ScsiOpcode.PREVENT_ALLOW_MEDIUM_REMOVAL, noOperation],
  [ScsiOpcode.READ_CAPACITY_10, capacity10],
  [ScsiOpcode.SERVICE_ACTION_IN_16, serviceActionIn],
  [ScsiOpcode.WRITE_SAME_10, writeSame],
  [ScsiOpcode.WRITE_SAME_16, writeSame],
  [ScsiOpcode.UNMAP, unmap],
  [ScsiOpcode.PERSISTENT_RESERVE_IN, persistentReserveIn],
  [ScsiOpcode.PERSISTENT_RESERVE_OUT, persistentReserveOut],
])

function table(entries: readonly (readonly [number, DiskCommand])[]): readonly (DiskCommand | undefined)[] {
  const commands = new Array<DiskCommand | undefined>(256).fill(undefined)
  for (const [opcode, command] of entries) commands[opcode] = command
  return commands
}
