/**
 * One signature of an image: PKCS#7 SignedData around Microsoft's SpcIndirectDataContent.
 * Sources: RFC 2315, RFC 5652 (attributes), "Windows Authenticode Portable Executable Signature Format".
 */

import { verify } from 'node:crypto'
import type { Certificate } from './certificate.ts'
import { parseCertificate } from './certificate.ts'
import { DerReader, der, oid, sameBytes, Tag } from './der.ts'
import type { Digest } from './digest.ts'
import { DIGEST_OID, DIGESTS, digestOf } from './digest.ts'
import { SecureBootError } from './secure-boot-error.ts'

export const Oid = {
  signedData: '1.2.840.113549.1.7.2',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  spcIndirectData: '1.3.6.1.4.1.311.2.1.4',
  spcPeImageData: '1.3.6.1.4.1.311.2.1.15',
} as const

export interface Signature {
  readonly digest: Digest
  /** The image's hash that was signed. */
  readonly imageDigest: Uint8Array
  readonly signer: Certificate
  /** All that came with the signature, the signer too. */
  readonly certificates: readonly Certificate[]
  /** Whether the signer's key made it, over this content. */
  readonly genuine: boolean
}

const MOST_CERTIFICATES = 16

/** @throws SecureBootError `malformed-signature` */
export function parseSignature(bytes: Uint8Array): Signature {
  // Behind it is padding to 8 bytes.
  const info = new DerReader(bytes).enter()
  expect(info.next(Tag.OID), Oid.signedData)
  const data = info.enter(Tag.CONTEXT_0).enter()
  info.end()
  data.next(Tag.INTEGER)
  data.next(Tag.SET)
  const content = contentOf(data.enter())
  const certificates = certificatesOf(data.optional(Tag.CONTEXT_0)?.body)
  data.optional(Tag.CONTEXT_1)
  const signers = data.enter(Tag.SET)
  data.end()
  const signer = signerOf(signers.enter(), certificates, content.bytes)
  signers.end()
  if (signer.digest !== content.digest) throw malformed(`hashes ${content.digest} and ${signer.digest}`)
  const { digest, imageDigest } = content
  return { digest, imageDigest, signer: signer.certificate, certificates, genuine: signer.genuine }
}

interface Content {
  /** What the message digest is taken of: the body of SpcIndirectDataContent. */
  readonly bytes: Uint8Array
  readonly digest: Digest
  readonly imageDigest: Uint8Array
}

function contentOf(info: DerReader): Content {
  expect(info.next(Tag.OID), Oid.spcIndirectData)
  const explicit = info.enter(Tag.CONTEXT_0)
  const bytes = explicit.next(Tag.SEQUENCE).body
  explicit.end()
  info.end()
  const indirect = new DerReader(bytes)
  expect(indirect.enter().next(Tag.OID), Oid.spcPeImageData)
  const digestInfo = indirect.enter()
  indirect.end()
  const digest = digestAlgorithm(digestInfo)
  const imageDigest = digestInfo.next(Tag.OCTET_STRING).body
  digestInfo.end()
  return { bytes, digest, imageDigest }
}

function certificatesOf(set: Uint8Array | undefined): Certificate[] {
  const found: Certificate[] = []
  const reader = new DerReader(set ?? new Uint8Array())
  while (!reader.atEnd) {
    if (found.length === MOST_CERTIFICATES) throw malformed(`more than ${MOST_CERTIFICATES} certificates`)
    found.push(parseCertificate(reader.next(Tag.SEQUENCE).whole))
  }
  return found
}

interface Signer {
  readonly certificate: Certificate
  readonly digest: Digest
  readonly genuine: boolean
}

function signerOf(info: DerReader, certificates: readonly Certificate[], content: Uint8Array): Signer {
  info.next(Tag.INTEGER)
  const who = info.enter()
  const issuer = who.next(Tag.SEQUENCE).whole
  const serial = who.next(Tag.INTEGER).body
  const certificate = certificates.find((each) => sameBytes(each.issuer, issuer) && sameBytes(each.serial, serial))
  if (certificate === undefined) throw malformed('the signer has no certificate in it')
  const digest = digestAlgorithm(info)
  const attributes = info.next(Tag.CONTEXT_0).body
  info.next(Tag.SEQUENCE)
  const value = info.next(Tag.OCTET_STRING).body
  info.optional(Tag.CONTEXT_1)
  info.end()
  const covers = sameBytes(messageDigestOf(attributes), digestOf(digest, content))
  return { certificate, digest, genuine: covers && madeBy(certificate, digest, der(Tag.SET, attributes), value) }
}

/** The hash in the signed attributes. They name the content's type too. */
function messageDigestOf(attributes: Uint8Array): Uint8Array {
  const reader = new DerReader(attributes)
  let found: Uint8Array | undefined
  let typed = false
  while (!reader.atEnd) {
    const attribute = reader.enter()
    const type = attribute.next(Tag.OID)
    const values = attribute.enter(Tag.SET)
    attribute.end()
    if (is(type, Oid.messageDigest)) {
      if (found !== undefined) throw malformed('two message digests')
      found = values.next(Tag.OCTET_STRING).body
      values.end()
    } else if (is(type, Oid.contentType)) {
      expect(values.next(Tag.OID), Oid.spcIndirectData)
      values.end()
      typed = true
    }
  }
  if (found === undefined || !typed) throw malformed('no message digest or no content type among the attributes')
  return found
}

function madeBy({ x509 }: Certificate, digest: Digest, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = x509.publicKey
    return key.asymmetricKeyType === 'rsa' && verify(digest, message, key, signature)
  } catch {
    return false // a key that OpenSSL does not take
  }
}

function digestAlgorithm(reader: DerReader): Digest {
  const algorithm = reader.enter()
  const type = algorithm.next(Tag.OID)
  const digest = DIGESTS.find((each) => is(type, DIGEST_OID[each]))
  if (digest === undefined) throw malformed('a hash that is not of SHA-2')
  algorithm.optional(Tag.NULL)
  algorithm.end()
  return digest
}

function is(value: { readonly whole: Uint8Array }, id: string): boolean {
  return sameBytes(value.whole, oid(id))
}

function expect(value: { readonly whole: Uint8Array }, id: string): void {
  if (!is(value, id)) throw malformed(`another object identifier in place of ${id}`)
}

function malformed(what: string): SecureBootError {
  return new SecureBootError('malformed-signature', `signature: ${what}`)
}
