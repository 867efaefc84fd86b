/** X.509 certificates as firmware uses them: names, keys and who signed whom. Dates do not matter to it. */

import { X509Certificate } from 'node:crypto'
import { DerReader, sameBytes, Tag } from './der.ts'
import { digestOf } from './digest.ts'
import { SecureBootError } from './secure-boot-error.ts'

export interface Certificate {
  readonly der: Uint8Array
  readonly x509: X509Certificate
  /** The part that its issuer signed: `dbx` names certificates by the hash of it. */
  readonly tbs: Uint8Array
  /** The names as DER. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly serial: Uint8Array
  /** SHA-256 of the whole, in lower-case hex. */
  readonly thumbprint: string
  /** The common name, or the whole subject where there is none. */
  readonly name: string
}

/** @throws SecureBootError `malformed-signature` */
export function parseCertificate(der: Uint8Array): Certificate {
  const outer = new DerReader(der)
  const certificate = outer.enter()
  outer.end()
  const tbs = certificate.next(Tag.SEQUENCE)
  const fields = new DerReader(tbs.body)
  fields.optional(Tag.CONTEXT_0)
  const serial = fields.next(Tag.INTEGER).body
  fields.next(Tag.SEQUENCE)
  const issuer = fields.next(Tag.SEQUENCE).whole
  fields.next(Tag.SEQUENCE)
  const subject = fields.next(Tag.SEQUENCE).whole
  const x509 = parseX509(der)
  return {
    der,
    x509,
    tbs: tbs.whole,
    issuer,
    subject,
    serial,
    thumbprint: Buffer.from(digestOf('sha256', der)).toString('hex'),
    name: /^CN=(.*)$/m.exec(x509.subject)?.[1] ?? x509.subject,
  }
}

function parseX509(der: Uint8Array): X509Certificate {
  let x509: X509Certificate
  try {
    x509 = new X509Certificate(der)
  } catch (cause) {
    throw new SecureBootError('malformed-signature', `certificate: ${String(cause)}`, { cause })
  }
  // OpenSSL looks for PEM text first, and would find one that hides inside.
  if (!sameBytes(x509.raw, der)) throw new SecureBootError('malformed-signature', 'certificate: not DER')
  return x509
}

const LONGEST_CHAIN = 8

/**
 * The certificate, and all of `others` that stand above it: each is an authority whose key signed one below.
 * Self-signed roots need not be among them.
 */
export function certificatesAbove(certificate: Certificate, others: readonly Certificate[]): readonly Certificate[] {
  const found = [certificate]
  let level = [certificate]
  for (let depth = 1; depth < LONGEST_CHAIN && level.length > 0; depth++) {
    level = others.filter(
      (other) => !found.some(({ der }) => sameBytes(der, other.der)) && level.some((below) => isIssuedBy(below, other)),
    )
    found.push(...level)
  }
  return found
}

function isIssuedBy({ x509 }: Certificate, authority: Certificate): boolean {
  try {
    return authority.x509.ca && x509.checkIssued(authority.x509) && x509.verify(authority.x509.publicKey)
  } catch {
    return false // a key that OpenSSL does not take
  }
}
