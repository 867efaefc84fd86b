export { FileBackend } from './file-backend.ts'
export { createFile, openFile } from './open-file.ts'
export type { FileOptions } from './file-backend.ts'
