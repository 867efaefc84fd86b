export { IcComponent, type IcState, IcStatistics } from './ic-component.ts'
export { icDriver } from './ic-driver.ts'
export { IcRequest } from './ic-request.ts'
export type { IcHandlers, IcService } from './ic-service.ts'
export {
  type AgreedVersions,
  chooseVersions,
  formatVersion,
  type OfferedVersions,
  readOffer,
  writeAnswer,
} from './negotiation.ts'
