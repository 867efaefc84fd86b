import { createHash } from 'node:crypto'

/** The hashes that firmware takes; SHA-1 and MD5 it no longer does. */
export const DIGESTS = ['sha256', 'sha384', 'sha512'] as const
export type Digest = (typeof DIGESTS)[number]

export const DIGEST_OID = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
} as const satisfies Record<Digest, string>

export function digestOf(digest: Digest, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash(digest)
  for (const part of parts) hash.update(part)
  return hash.digest()
}
