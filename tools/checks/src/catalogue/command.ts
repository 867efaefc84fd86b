export function catalogueCommand(_args: readonly string[]): number {
  return 0
}
