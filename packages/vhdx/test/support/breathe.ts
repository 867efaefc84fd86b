/** Lets timers and the test runner's messages through: media in memory never leave the microtask queue by themselves. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
