/** Where a unit is on its controller. */
export interface ScsiAddress {
  readonly path: number
  readonly target: number
  readonly lun: number
}
