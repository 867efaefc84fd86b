import type { Signature } from './authenticode.ts'
import { parseSignature } from './authenticode.ts'
import type { Certificate } from './certificate.ts'
import { certificatesAbove, parseCertificate } from './certificate.ts'
import { sameBytes } from './der.ts'
import type { Digest } from './digest.ts'
import { DIGESTS, digestOf } from './digest.ts'
import type { PeImage } from './pe-image.ts'
import { imageDigest, parsePeImage } from './pe-image.ts'
import { SecureBootError } from './secure-boot-error.ts'
import type { SignatureDatabase } from './signature-database.ts'
import { SignatureType } from './signature-database.ts'

/** The certificate above the signer, or the image's own hash, is in `db`. */
export type AcceptReason = 'trusted-certificate' | 'trusted-image'

export type RefuseReason =
  | 'malformed-image'
  | 'unsigned'
  | 'malformed-signature'
  /** The image is not the one that was signed. */
  | 'digest-mismatch'
  /** The signer's key did not make the signature. */
  | 'bad-signature'
  /** Nothing in `db` stands above the signer. */
  | 'untrusted'
  /** `dbx` has the image's hash. */
  | 'revoked-image'
  /** `dbx` has a certificate of the signer's chain. */
  | 'revoked-certificate'

export type Verdict =
  | { readonly accepted: true; readonly reason: AcceptReason; readonly signer?: string }
  | { readonly accepted: false; readonly reason: RefuseReason; readonly signer?: string; readonly detail?: string }

/** The firmware's variables. */
export interface SecureBootVariables {
  readonly db: SignatureDatabase
  readonly dbx?: SignatureDatabase
}

/**
 * Whether firmware with Secure Boot on starts this loader. `dbx` wins over `db`, whichever of several signatures it
 * speaks of; certificates do not expire. Never throws for what is in the image.
 * Source: UEFI Specification 2.10, 32.5.3 "Authorization Process".
 * @throws SecureBootError a certificate in `db` or `dbx` is none
 */
export function verifyLoader(image: Uint8Array, variables: SecureBootVariables): Verdict {
  const db = indexOf(variables.db)
  const dbx = indexOf(variables.dbx ?? { entries: [] })
  const parsed = attempt(() => parsePeImage(image))
  if ('accepted' in parsed) return parsed
  if (hasImage(dbx, parsed)) return { accepted: false, reason: 'revoked-image' }
  const verdicts = parsed.signatures.map((bytes) => {
    const signature = attempt(() => parseSignature(bytes))
    return 'accepted' in signature ? signature : judge(parsed, signature, db, dbx)
  })
  const revoked = verdicts.find(({ reason }) => reason === 'revoked-certificate')
  if (revoked !== undefined) return revoked
  if (hasImage(db, parsed)) return { accepted: true, reason: 'trusted-image' }
  return verdicts.find(({ accepted }) => accepted) ?? verdicts[0] ?? { accepted: false, reason: 'unsigned' }
}

function judge(image: PeImage, signature: Signature, db: Index, dbx: Index): Verdict {
  const signer = signature.signer.name
  if (!sameBytes(signature.imageDigest, imageDigest(image, signature.digest))) {
    return { accepted: false, reason: 'digest-mismatch', signer }
  }
  if (!signature.genuine) return { accepted: false, reason: 'bad-signature', signer }
  const known = [...signature.certificates, ...db.certificates, ...dbx.certificates]
  const chain = certificatesAbove(signature.signer, known)
  const revoked = chain.find((certificate) => holds(dbx, certificate) || holdsHash(dbx, certificate))
  if (revoked !== undefined) {
    return { accepted: false, reason: 'revoked-certificate', signer, detail: revoked.name }
  }
  if (chain.some((certificate) => holds(db, certificate)))
    return { accepted: true, reason: 'trusted-certificate', signer }
  return {
    accepted: false,
    reason: 'untrusted',
    signer,
    detail: chain.at(-1)?.x509.issuer.replaceAll('\n', ', ') ?? '',
  }
}

/** A database, ready for questions. */
interface Index {
  readonly certificates: readonly Certificate[]
  readonly thumbprints: ReadonlySet<string>
  readonly images: readonly Hash[]
  /** Of the signed part of certificates. */
  readonly tbs: readonly Hash[]
}

interface Hash {
  readonly digest: Digest
  readonly value: Uint8Array
}

function indexOf({ entries, thumbprints = [] }: SignatureDatabase): Index {
  const certificates = entries
    .filter(({ type }) => type === SignatureType.x509)
    .map(({ data }) => parseCertificate(data))
  const hashes = (types: Readonly<Record<Digest, string>>): Hash[] =>
    DIGESTS.flatMap((digest) =>
      // Behind a certificate's hash stands the time of its revocation, which takes a trusted time stamp to use.
      entries
        .filter(({ type }) => type === types[digest])
        .map(({ data }) => ({ digest, value: data.subarray(0, Number(digest.slice(3)) / 8) })),
    )
  return {
    certificates,
    thumbprints: new Set([...thumbprints, ...certificates.map(({ thumbprint }) => thumbprint)]),
    images: hashes(SignatureType),
    tbs: hashes({
      sha256: SignatureType.x509Sha256,
      sha384: SignatureType.x509Sha384,
      sha512: SignatureType.x509Sha512,
    }),
  }
}

function hasImage({ images }: Index, image: PeImage): boolean {
  return DIGESTS.some((digest) => {
    const wanted = images.filter((hash) => hash.digest === digest)
    if (wanted.length === 0) return false
    const found = imageDigest(image, digest)
    return wanted.some(({ value }) => sameBytes(value, found))
  })
}

function holds({ thumbprints }: Index, { thumbprint }: Certificate): boolean {
  return thumbprints.has(thumbprint)
}

function holdsHash({ tbs }: Index, certificate: Certificate): boolean {
  return tbs.some(({ digest, value }) => sameBytes(value, digestOf(digest, certificate.tbs)))
}

function attempt<T extends object>(parse: () => T): T | Extract<Verdict, { accepted: false }> {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof SecureBootError) || error.code === 'malformed-database') throw error
    return { accepted: false, reason: error.code, detail: error.message }
  }
}
