export { type FileCopyFolderOptions, fileCopyFolder } from './file-copy-folder.ts'
