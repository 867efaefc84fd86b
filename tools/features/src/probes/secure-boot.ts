import type { RamDisk } from '@bis/host'
import { findBootLoader, LOADER_PATHS, makeFat16, writeGpt } from '@bis/uefi'
import type { SecureBootVariables, SignatureDatabase } from '@bis/uefi/secure-boot'
import {
  createIdentity,
  imageDigest,
  minimalLoader,
  parsePeImage,
  parseSignatureLists,
  SignatureType,
  serializeSignatureLists,
  signLoader,
  verifyLoader,
} from '@bis/uefi/secure-boot'
import type { Probe, ProbeCell } from '../feature.ts'
import { want } from '../feature.ts'
import { controllerWith, disk, MIB, pattern, powerOn, ramDisk } from '../guest.ts'

const EFI_SYSTEM = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b'
const OWNER = 'b1500000-0000-4000-8000-000000000010'
const DISK_MIB = 8
const FIRST_BLOCK = 2048
const LAST_BLOCK = (DISK_MIB * MIB) / 512 - 34

/** The loader on the boot disk, read through storvsc, goes before firmware that trusts one authority. */
export const secureBoot: Probe = async (cell) => {
  const { db, dbx, revokedSigner, unsigned, signed, revoked, foreign } = scene()
  const accepted = await bootVerdict(cell, signed, { db, dbx })
  want(accepted.accepted && accepted.signer === 'BIS signer', `the signed loader is refused: ${accepted.reason}`)
  const bare = await bootVerdict(cell, unsigned, { db, dbx })
  want(!bare.accepted && bare.reason === 'unsigned', `the loader without signature: ${bare.reason}`)
  const withdrawn = await bootVerdict(cell, revoked, { db, dbx })
  want(!withdrawn.accepted && withdrawn.reason === 'revoked-image', `the revoked loader: ${withdrawn.reason}`)
  const stranger = await bootVerdict(cell, foreign, { db, dbx })
  want(!stranger.accepted, 'a loader that another authority signed is accepted')
  const withdrawnSigner = await bootVerdict(cell, signed, { db, dbx: revokedSigner })
  want(!withdrawnSigner.accepted, 'a loader whose signer was revoked is accepted')
  return {
    did: 'booted generation 2 machines from disks with loaders signed, unsigned, revoked, signed by another authority and by a revoked signer, and verified each',
    saw: `signed by ${accepted.signer}: accepted; the others refused: ${[bare, withdrawn, stranger, withdrawnSigner].map((verdict) => (verdict.accepted ? '' : verdict.reason)).join(', ')}`,
  }
}

type Verdict = ReturnType<typeof verifyLoader>

async function bootVerdict(cell: ProbeCell, loader: Uint8Array, variables: SecureBootVariables): Promise<Verdict> {
  const devices = [controllerWith(cell, await bootDisk(loader))]
  await using machine = await powerOn(cell, { generation: 2, devices })
  const { bytes } = await findBootLoader(disk(machine))
  want(bytes.length === loader.length, `the loader has ${bytes.length} bytes, ${loader.length} were written`)
  return verifyLoader(bytes, variables)
}

async function bootDisk(loader: Uint8Array): Promise<RamDisk> {
  const bytes = new Uint8Array(DISK_MIB * MIB)
  const id = 'b1500000-0000-4000-8000-000000000011'
  writeGpt(bytes, 'b1500000-0000-4000-8000-000000000012', [
    { type: EFI_SYSTEM, id, label: 'EFI system', first: FIRST_BLOCK, last: LAST_BLOCK },
  ])
  const size = (LAST_BLOCK - FIRST_BLOCK + 1) * 512
  bytes.set(makeFat16(size, 'EFISYS', [{ path: LOADER_PATHS.x64, data: loader }], FIRST_BLOCK), FIRST_BLOCK * 512)
  const medium = ramDisk(DISK_MIB)
  await medium.write(0, bytes)
  return medium
}

interface Scene {
  readonly db: SignatureDatabase
  readonly dbx: SignatureDatabase
  readonly unsigned: Uint8Array
  readonly signed: Uint8Array
  readonly revoked: Uint8Array
  /** Revokes not an image but who signed. */
  readonly revokedSigner: SignatureDatabase
  /** Signed by whom the firmware does not know. */
  readonly foreign: Uint8Array
}

let made: Scene | undefined

/** An authority, what it signed, and what it took back. Keys take a while to make: once for all cells. */
function scene(): Scene {
  made ??= makeScene()
  return made
}

function makeScene(): Scene {
  const authority = createIdentity({ name: 'BIS authority', authority: true })
  const signer = createIdentity({ name: 'BIS signer', authority: false, issuer: authority })
  const unsigned = minimalLoader(pattern(5000))
  const revoked = signLoader(minimalLoader(pattern(5000, 2)), signer)
  return {
    db: variable(SignatureType.x509, authority.certificate),
    dbx: variable(SignatureType.sha256, imageDigest(parsePeImage(revoked))),
    unsigned,
    signed: signLoader(unsigned, signer),
    revokedSigner: variable(SignatureType.x509, signer.certificate),
    foreign: signLoader(unsigned, createIdentity({ name: 'Another authority', authority: true })),
    revoked,
  }
}

/** By way of the bytes that a firmware's variable holds. */
function variable(type: string, data: Uint8Array): SignatureDatabase {
  return { entries: parseSignatureLists(serializeSignatureLists([{ type, owner: OWNER, data }])) }
}
