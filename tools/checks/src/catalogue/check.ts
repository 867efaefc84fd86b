export async function checkCatalogue(): Promise<string[]> {
  return []
}
