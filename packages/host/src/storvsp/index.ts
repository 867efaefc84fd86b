export type { FibreChannelNames } from './answer.ts'
export type { WorkerStatistics } from './channel-worker.ts'
export { type ControllerOptions, StorageController } from './controller.ts'
export {
  type ControllerSettings,
  diskUnit,
  type FibreChannelSettings,
  fibreChannelAdapter,
  type IdeDiskSettings,
  ideDisk,
  type ScsiControllerSettings,
  scsiController,
} from './controllers.ts'
export type { SessionPhase } from './session.ts'
