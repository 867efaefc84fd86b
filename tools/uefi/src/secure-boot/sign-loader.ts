/** Certificates and signatures of one's own, for a machine whose `db` trusts one's own authority, and for tests. */

import type { KeyObject } from 'node:crypto'
import { createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { Oid } from './authenticode.ts'
import { parseCertificate } from './certificate.ts'
import { concat, der, oid, Tag } from './der.ts'
import { DIGEST_OID, digestOf } from './digest.ts'
import { appendSignature, imageDigest, padTo8, parsePeImage } from './pe-image.ts'

/** A certificate with its private key. */
export interface Identity {
  /** DER. */
  readonly certificate: Uint8Array
  readonly privateKey: KeyObject
}

export interface IdentityOptions {
  /** The common name. */
  readonly name: string
  /** Who signs the certificate; itself by default. */
  readonly issuer?: Identity
  /** Whether it may sign certificates. */
  readonly authority: boolean
  /** First and last year that it is valid in. Firmware does not look. Default 2020 to 2049 */
  readonly years?: readonly [number, number]
}

const RSA_ENCRYPTION = '1.2.840.113549.1.1.1'
const SHA256_WITH_RSA = '1.2.840.113549.1.1.11'
const COMMON_NAME = '2.5.4.3'
const BASIC_CONSTRAINTS = '2.5.29.19'
/** Its description as text, "<<<Obsolete>>>" in what Microsoft's tools write. */
const NO_FILE = der(Tag.CONTEXT_0, der(Tag.CONTEXT_2, der(Tag.CONTEXT_0_PRIMITIVE)))

/** A new RSA key of 2048 bits with its certificate. */
export function createIdentity({ name, issuer, authority, years = [2020, 2049] }: IdentityOptions): Identity {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const subject = commonName(name)
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const issuerName = issuer === undefined ? subject : parseCertificate(issuer.certificate).subject
  const body = der(
    Tag.SEQUENCE,
    der(Tag.CONTEXT_0, integer(2)),
    der(Tag.INTEGER, Uint8Array.of(1, ...randomBytes(8))),
    algorithm(SHA256_WITH_RSA),
    issuerName,
    der(
      Tag.SEQUENCE,
      ...years.map((year) => der(Tag.UTC_TIME, text(`${String(year % 100).padStart(2, '0')}0101000000Z`))),
    ),
    subject,
    publicKey,
    ...(authority ? [authorityExtensions()] : []),
  )
  const signature = sign('sha256', body, issuer?.privateKey ?? privateKey)
  const certificate = der(
    Tag.SEQUENCE,
    body,
    algorithm(SHA256_WITH_RSA),
    der(Tag.BIT_STRING, Uint8Array.of(0), signature),
  )
  return { certificate, privateKey }
}

/**
 * The image with one more signature, by the identity's key over SHA-256; `chain` are certificates above it to embed.
 * @throws SecureBootError `malformed-image`
 */
export function signLoader(image: Uint8Array, signer: Identity, chain: readonly Uint8Array[] = []): Uint8Array {
  const signed = parsePeImage(image).signatures.length > 0
  const padded = signed ? image : padTo8(image)
  return appendSignature(padded, signedData(imageDigest(parsePeImage(padded)), signer, chain))
}

function signedData(digest: Uint8Array, signer: Identity, chain: readonly Uint8Array[]): Uint8Array {
  const { issuer, serial } = parseCertificate(signer.certificate)
  const content = concat(
    der(Tag.SEQUENCE, oid(Oid.spcPeImageData), der(Tag.SEQUENCE, der(Tag.BIT_STRING, Uint8Array.of(0)), NO_FILE)),
    der(Tag.SEQUENCE, algorithm(DIGEST_OID.sha256), der(Tag.OCTET_STRING, digest)),
  )
  const attributes = concat(
    attribute(Oid.contentType, oid(Oid.spcIndirectData)),
    attribute(Oid.messageDigest, der(Tag.OCTET_STRING, digestOf('sha256', content))),
  )
  const signerInfo = der(
    Tag.SEQUENCE,
    integer(1),
    der(Tag.SEQUENCE, issuer, der(Tag.INTEGER, serial)),
    algorithm(DIGEST_OID.sha256),
    der(Tag.CONTEXT_0, attributes),
    algorithm(RSA_ENCRYPTION),
    der(Tag.OCTET_STRING, sign('sha256', der(Tag.SET, attributes), signer.privateKey)),
  )
  const data = der(
    Tag.SEQUENCE,
    integer(1),
    der(Tag.SET, algorithm(DIGEST_OID.sha256)),
    der(Tag.SEQUENCE, oid(Oid.spcIndirectData), der(Tag.CONTEXT_0, der(Tag.SEQUENCE, content))),
    der(Tag.CONTEXT_0, signer.certificate, ...chain),
    der(Tag.SET, signerInfo),
  )
  return der(Tag.SEQUENCE, oid(Oid.signedData), der(Tag.CONTEXT_0, data))
}

function commonName(name: string): Uint8Array {
  const value = der(Tag.SEQUENCE, oid(COMMON_NAME), der(Tag.UTF8_STRING, text(name)))
  return der(Tag.SEQUENCE, der(Tag.SET, value))
}

function authorityExtensions(): Uint8Array {
  const yes = der(Tag.BOOLEAN, Uint8Array.of(0xff))
  const constraints = der(Tag.OCTET_STRING, der(Tag.SEQUENCE, yes))
  return der(Tag.CONTEXT_3, der(Tag.SEQUENCE, der(Tag.SEQUENCE, oid(BASIC_CONSTRAINTS), yes, constraints)))
}

const algorithm = (id: string): Uint8Array => der(Tag.SEQUENCE, oid(id), der(Tag.NULL))
const attribute = (id: string, value: Uint8Array): Uint8Array => der(Tag.SEQUENCE, oid(id), der(Tag.SET, value))
const integer = (value: number): Uint8Array => der(Tag.INTEGER, Uint8Array.of(value))
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
