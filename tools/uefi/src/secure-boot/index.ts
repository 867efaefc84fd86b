export { microsoftUefiCa } from './microsoft-uefi-ca.ts'
export { minimalLoader } from './minimal-loader.ts'
export { imageDigest, type PeImage, parsePeImage, stripSignatures } from './pe-image.ts'
export { SecureBootError, type SecureBootErrorCode } from './secure-boot-error.ts'
export { createIdentity, type Identity, type IdentityOptions, signLoader } from './sign-loader.ts'
export {
  parseSignatureLists,
  type SignatureDatabase,
  type SignatureEntry,
  SignatureType,
  serializeSignatureLists,
} from './signature-database.ts'
export {
  type AcceptReason,
  type RefuseReason,
  type SecureBootVariables,
  type Verdict,
  verifyLoader,
} from './verify-loader.ts'
