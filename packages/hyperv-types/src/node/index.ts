export {
  type CreateOptions,
  createMappedMemory,
  createRegionMapper,
  type MappedMemory,
  type RegionMapper,
} from './mapped-memory.ts'
