export type { Cell, CellState, Evidence, Feature, Probe, ProbeCell } from './feature.ts'
export { FEATURES } from './features.ts'
export { type RunOptions, runFeatures } from './run.ts'
export { countCells, markdownTable, summary, textTable } from './table.ts'
