/**
 * Makes one JavaScript file of a TypeScript source and all it imports of ours, so that a test can run it in a worker
 * thread or another process. The file goes away with the test's process.
 * @returns its path
 */
export function bundle(source: URL | string): Promise<string>
