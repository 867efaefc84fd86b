export { type FileCopyFolderOptions, fileCopyFolder } from './file-copy-folder.ts'
export { openCharacterDevice } from './open-character-device.ts'
export { programHook } from './program-hook.ts'
export { type CharacterDeviceServer, serveCharacterDevice } from './serve-character-device.ts'
