export { type FileCopyFolderOptions, fileCopyFolder } from './file-copy-folder.ts'
export { type CharacterDeviceServer, serveCharacterDevice } from './serve-character-device.ts'
