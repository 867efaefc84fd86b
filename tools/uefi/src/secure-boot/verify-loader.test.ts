import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseCertificate } from './certificate.ts'
import { concat } from './der.ts'
import type { SignatureDatabase, SignatureEntry } from './index.ts'
import {
  createIdentity,
  imageDigest,
  minimalLoader,
  parsePeImage,
  SignatureType,
  signLoader,
  verifyLoader,
} from './index.ts'
import { stripSignatures } from './pe-image.ts'

const owner = '11111111-2222-4333-8444-555555555555'
const root = createIdentity({ name: 'Root', authority: true, years: [2001, 2002] })
const middle = createIdentity({ name: 'Middle', authority: true, issuer: root })
const signer = createIdentity({ name: 'Signer', authority: false, issuer: middle })
const stranger = createIdentity({ name: 'Stranger', authority: true })

const database = (...entries: [type: string, data: Uint8Array][]): SignatureDatabase => ({
  entries: entries.map(([type, data]): SignatureEntry => ({ type, owner, data })),
})
const db = database([SignatureType.x509, root.certificate])
const bare = minimalLoader()
const image = signLoader(bare, signer, [middle.certificate])
const hash = (bytes: Uint8Array): Uint8Array => imageDigest(parsePeImage(bytes))
const changed = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = bytes.slice()
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

describe('verifyLoader', () => {
  it('accepts a loader whose signer stands under a certificate of db, expired or not', () => {
    expect(verifyLoader(image, { db })).toEqual({ accepted: true, reason: 'trusted-certificate', signer: 'Signer' })
  })

  it.each([
    ['the signer itself', database([SignatureType.x509, signer.certificate])],
    ['a certificate between', database([SignatureType.x509, middle.certificate])],
    ['a thumbprint', { entries: [], thumbprints: [createHash('sha256').update(middle.certificate).digest('hex')] }],
  ])('accepts by %s in db', (_, trust) => {
    expect(verifyLoader(image, { db: trust })).toMatchObject({ accepted: true, reason: 'trusted-certificate' })
  })

  it('refuses a loader that nobody signed, unless db has its hash', () => {
    expect(verifyLoader(bare, { db })).toEqual({ accepted: false, reason: 'unsigned' })
    expect(verifyLoader(stripSignatures(image), { db })).toEqual({ accepted: false, reason: 'unsigned' })
    expect(verifyLoader(bare, { db: database([SignatureType.sha256, hash(bare)]) })).toEqual({
      accepted: true,
      reason: 'trusted-image',
    })
  })

  it('refuses a signer under nobody in db', () => {
    const verdict = verifyLoader(image, { db: database([SignatureType.x509, stranger.certificate]) })
    expect(verdict).toMatchObject({ accepted: false, reason: 'untrusted', signer: 'Signer' })
  })

  it('refuses every change of what is signed, and none of what is not', () => {
    const checksum = 64 + 24 + 64
    for (const at of [100, checksum - 1, checksum + 4, 513, bare.length - 1]) {
      expect(verifyLoader(changed(image, at), { db }).accepted, `byte ${at}`).toBe(false)
    }
    expect(verifyLoader(changed(image, checksum), { db }).accepted).toBe(true)
    expect(verifyLoader(changed(image, 513), { db })).toMatchObject({ reason: 'digest-mismatch', signer: 'Signer' })
  })

  it('refuses a signature that another key made', () => {
    const impostor = { certificate: signer.certificate, privateKey: stranger.privateKey }
    const verdict = verifyLoader(signLoader(bare, impostor, [middle.certificate]), { db })
    expect(verdict).toMatchObject({ accepted: false, reason: 'bad-signature' })
  })

  it('refuses a certificate signed by one that is no authority', () => {
    const below = createIdentity({ name: 'Below', authority: false, issuer: signer })
    const chain = [signer.certificate, middle.certificate]
    expect(verifyLoader(signLoader(bare, below, chain), { db })).toMatchObject({ reason: 'untrusted' })
  })

  it('refuses a certificate that only names its issuer', () => {
    const impostor = { certificate: middle.certificate, privateKey: stranger.privateKey }
    const forged = createIdentity({ name: 'Forged', authority: false, issuer: impostor })
    const verdict = verifyLoader(signLoader(bare, forged, [middle.certificate]), { db })
    expect(verdict).toMatchObject({ reason: 'untrusted' })
  })

  it('refuses what dbx has, whatever db says', () => {
    const tbs = createHash('sha256').update(parseCertificate(middle.certificate).tbs).digest()
    const byImage = database([SignatureType.sha256, hash(image)])
    const trust = { entries: [...db.entries, ...byImage.entries] }
    expect(verifyLoader(image, { db: trust, dbx: byImage })).toEqual({ accepted: false, reason: 'revoked-image' })
    for (const dbx of [
      database([SignatureType.x509, signer.certificate]),
      database([SignatureType.x509, middle.certificate]),
      database([SignatureType.x509, root.certificate]),
      database([SignatureType.x509Sha256, concat(tbs, new Uint8Array(16))]),
    ]) {
      expect(verifyLoader(image, { db: trust, dbx })).toMatchObject({ reason: 'revoked-certificate', signer: 'Signer' })
    }
  })

  it('takes the one of several signatures that it trusts, and refuses all for one revoked', () => {
    const both = signLoader(signLoader(bare, stranger), signer, [middle.certificate])
    expect(verifyLoader(both, { db })).toMatchObject({ accepted: true, signer: 'Signer' })
    const dbx = database([SignatureType.x509, stranger.certificate])
    expect(verifyLoader(both, { db, dbx })).toMatchObject({ accepted: false, signer: 'Stranger' })
  })

  it('refuses what is no image, and bytes outside the signature behind it', () => {
    expect(verifyLoader(new Uint8Array(), { db })).toMatchObject({ reason: 'malformed-image' })
    expect(verifyLoader(concat(image, new Uint8Array(8)), { db })).toMatchObject({ reason: 'malformed-image' })
  })
})
