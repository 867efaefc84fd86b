import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SignatureDatabase } from '../../src/secure-boot/index.ts'
import {
  createIdentity,
  imageDigest,
  microsoftUefiCa,
  minimalLoader,
  parsePeImage,
  parseSignatureLists,
  SignatureType,
  serializeSignatureLists,
  signLoader,
  stripSignatures,
  verifyLoader,
} from '../../src/secure-boot/index.ts'
import { havePrograms } from '../support/programs.ts'

const SHIM = '/usr/lib/shim/shimx64.efi.signed'
const owner = '77fa9abd-0359-4d32-bd60-28f4e78f784b'

function haveShim(): boolean {
  if (!existsSync(SHIM)) process.stderr.write(`skipped: Secure Boot of Microsoft's signature, ${SHIM} is not there\n`)
  return existsSync(SHIM)
}

const database = (type: string, data: Uint8Array): SignatureDatabase => ({ entries: [{ type, owner, data }] })

describe.skipIf(!haveShim())("Debian's shim, signed by Microsoft", () => {
  let shim: Uint8Array
  beforeAll(async () => {
    shim = new Uint8Array(await readFile(SHIM))
  })

  it('is accepted under the Microsoft UEFI CA, by each of its thumbprints that a signature is under', () => {
    expect(verifyLoader(shim, { db: microsoftUefiCa })).toMatchObject({
      accepted: true,
      reason: 'trusted-certificate',
      signer: expect.stringMatching(/^Microsoft/),
    })
    const verdicts = (microsoftUefiCa.thumbprints ?? []).map((one) =>
      verifyLoader(shim, { db: { entries: [], thumbprints: [one] } }),
    )
    expect(verdicts.filter(({ accepted }) => accepted).length).toBeGreaterThanOrEqual(
      parsePeImage(shim).signatures.length,
    )
  })

  it('is refused with one byte flipped, in code, headers or behind the sections', () => {
    const { tableStart } = parsePeImage(shim)
    for (const at of [0x40, 0x1000, Math.floor(tableStart / 2), tableStart - 1]) {
      const flipped = shim.slice()
      flipped[at] = (flipped[at] ?? 0) ^ 1
      expect(verifyLoader(flipped, { db: microsoftUefiCa }).accepted, `byte ${at}`).toBe(false)
    }
  })

  it('is refused when dbx has its hash, or its signature is stripped', () => {
    const dbx = database(SignatureType.sha256, imageDigest(parsePeImage(shim)))
    expect(verifyLoader(shim, { db: microsoftUefiCa, dbx })).toMatchObject({ reason: 'revoked-image' })
    expect(verifyLoader(stripSignatures(shim), { db: microsoftUefiCa })).toEqual({
      accepted: false,
      reason: 'unsigned',
    })
  })

  it("is what Debian's own signature is not: under Microsoft's authority", async () => {
    const fallback = await readFile('/usr/lib/shim/fbx64.efi.signed')
    expect(verifyLoader(fallback, { db: microsoftUefiCa })).toMatchObject({ accepted: false, reason: 'untrusted' })
  })
})

describe.skipIf(!havePrograms('sbsign', 'sbverify', 'sbsiglist', 'openssl'))('sbsigntool', () => {
  let folder: string
  const path = (name: string): string => join(folder, name)
  const run = (program: string, ...args: string[]): number | null =>
    spawnSync(program, args, { cwd: folder, timeout: 20_000 }).status

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bis-secure-boot-'))
    const authority = ['-newkey', 'rsa:2048', '-nodes', '-x509', '-days', '9', '-subj']
    for (const name of ['ours', 'other']) {
      expect(run('openssl', 'req', ...authority, `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`)).toBe(
        0,
      )
    }
    await writeFile(path('bare.efi'), minimalLoader())
    expect(run('sbsign', '--key', 'ours.key', '--cert', 'ours.pem', '--output', 'signed.efi', 'bare.efi')).toBe(0)
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const certificate = async (name: string): Promise<Uint8Array> =>
    new X509Certificate(await readFile(path(`${name}.pem`))).raw

  it.each(['ours', 'other'])('and verifyLoader judge its signature alike: authority %s', async (name) => {
    const verdict = verifyLoader(await readFile(path('signed.efi')), {
      db: database(SignatureType.x509, await certificate(name)),
    })
    expect(verdict.accepted).toBe(name === 'ours')
    expect(run('sbverify', '--cert', `${name}.pem`, 'signed.efi') === 0).toBe(verdict.accepted)
  })

  it('and verifyLoader judge a changed image alike', async () => {
    const image = await readFile(path('signed.efi'))
    image[600] = (image[600] ?? 0) ^ 1
    await writeFile(path('changed.efi'), image)
    const db = database(SignatureType.x509, await certificate('ours'))
    expect(verifyLoader(image, { db })).toMatchObject({ accepted: false, reason: 'digest-mismatch' })
    expect(run('sbverify', '--cert', 'ours.pem', 'changed.efi')).not.toBe(0)
  })

  it('accepts what signLoader signs, and refuses it changed', async () => {
    const authority = createIdentity({ name: 'BIS authority', authority: true })
    const signer = createIdentity({ name: 'BIS signer', authority: false, issuer: authority })
    await writeFile(path('authority.pem'), new X509Certificate(authority.certificate).toString())
    const image = signLoader(minimalLoader(new Uint8Array(700).fill(7)), signer, [authority.certificate])
    await writeFile(path('mine.efi'), image)
    expect(run('sbverify', '--cert', 'authority.pem', 'mine.efi')).toBe(0)
    image[700] = 8
    await writeFile(path('mine.efi'), image)
    expect(run('sbverify', '--cert', 'authority.pem', 'mine.efi')).not.toBe(0)
  })

  it('writes signature lists as we do', async () => {
    const der = await certificate('ours')
    await writeFile(path('ours.der'), der)
    const args = ['--owner', owner, '--type', 'x509', '--output', 'ours.esl', 'ours.der']
    expect(run('sbsiglist', ...args)).toBe(0)
    const list = await readFile(path('ours.esl'))
    expect(Buffer.from(serializeSignatureLists(parseSignatureLists(list)))).toEqual(list)
    expect(parseSignatureLists(list)).toEqual([{ type: SignatureType.x509, owner, data: new Uint8Array(der) }])
  })
})
