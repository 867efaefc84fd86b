export { type CharacterDeviceServer, serveCharacterDevice } from './serve-character-device.ts'
