export * from './ide-offer.ts'
export * from './nt-status.ts'
export * from './srb-status.ts'
export * from './vstor.ts'
