import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FileCopyOrder } from '@bis/host'
import { FileCopyComponent } from '@bis/host'
import { ManualClock } from '@bis/hyperv-types'
import {
  FILE_COPY_DATA_FRAGMENT,
  FileCopyOperation,
  fileCopyHeader,
  fileCopyStart,
  fileCopyWrite,
  IcStatus,
} from '@bis/hyperv-types/ic'
import { NIL_GUID } from '@bis/hyperv-types/struct'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileCopyTarget } from '../src/index.ts'
import { FileCopyError, fileCopyDriver } from '../src/index.ts'
import { fileCopyFolder } from '../src/node/index.ts'
import { allReady, bootGuest, hostOptions } from './support/guest.ts'
import { RawComponent } from './support/raw-component.ts'

const { START, WRITE, COMPLETE, CANCEL } = FileCopyOperation

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'bis-fcopy-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

/** Steps the clock while the file system works. */
async function done<T>(promise: Promise<T>, clock: ManualClock): Promise<T> {
  let pending = true
  promise
    .catch(() => {})
    .finally(() => {
      pending = false
    })
  while (pending) {
    await clock.run()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return promise
}

async function pair(target: FileCopyTarget | undefined = fileCopyFolder({ root }), ringBytes = 5 * 4096) {
  const clock = new ManualClock()
  const host = new FileCopyComponent(hostOptions(clock))
  const options = target === undefined ? {} : { fileCopy: target }
  const guest = await bootGuest([fileCopyDriver(options, ringBytes)], [host], clock)
  await allReady(clock, host)
  const copy = (name: string, folder: string, bytes: Uint8Array, options: Partial<FileCopyOrder> = {}) =>
    done(host.copy({ name, folder, source: sourceOf(bytes), ...options }), clock)
  return { clock, host, guest, copy }
}

function sourceOf(bytes: Uint8Array): FileCopyOrder['source'] {
  return {
    size: bytes.length,
    read: async (offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
  }
}

const pattern = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Math.imul(i, 2_654_435_761) >>> 24)

describe('file copy', () => {
  it.each([0, 1, 6143, 6144, 6145, 100_000])('copies a file of %i bytes', async (length) => {
    const { copy, guest } = await pair()
    await copy('file', '/', pattern(length))
    expect(Buffer.compare(await readFile(join(root, 'file')), pattern(length))).toBe(0)
    expect(await readdir(root)).toEqual(['file'])
    expect(guest.sysctl('dev.hvfcopy.0.files')).toBe(1)
  })

  it('makes the path when it may, in folders of its own', async () => {
    const { copy } = await pair()
    await expect(copy('file', '/a/b/', pattern(9))).rejects.toMatchObject({ code: 'refused', status: IcStatus.E_FAIL })
    await copy('file', '/a/./b//c/', pattern(9), { createPath: true })
    expect(await readFile(join(root, 'a/b/c/file'))).toEqual(Buffer.from(pattern(9)))
  })

  it('[FC-02] replaces a file only when it may, and then as a whole', async () => {
    const { copy } = await pair()
    await copy('file', '/', pattern(9))
    await expect(copy('file', '/', pattern(20))).rejects.toMatchObject({ status: IcStatus.ALREADY_EXISTS })
    expect((await stat(join(root, 'file'))).size).toBe(9)
    await copy('file', '/', pattern(20), { overwrite: true })
    expect((await stat(join(root, 'file'))).size).toBe(20)
    expect(await readdir(root)).toEqual(['file'])
  })

  it.each<[string, string, string]>([
    ['a folder that leads upwards', 'file', '/a/../../'],
    ['a name that leads upwards', '..', '/'],
    ['a name with a slash', '../file', '/'],
    ['no name', '', '/'],
    ['a relative path', 'file', 'a'],
    ['a folder that is a link', 'file', '/link/'],
    ['a folder below a link', 'file', '/link/deep/'],
    ['a file as folder', 'file', '/plain/'],
    ['a folder as file', 'a', '/'],
    ['a link as file', 'filelink', '/'],
    ['a dangling link as file', 'dangling', '/'],
  ])('[FC-02] refuses %s, and puts nothing anywhere', async (_, name, folder) => {
    const outside = await mkdtemp(join(tmpdir(), 'bis-outside-'))
    try {
      await mkdir(join(root, 'a'))
      await writeFile(join(root, 'plain'), 'x')
      await writeFile(join(outside, 'target'), 'x')
      await symlink(outside, join(root, 'link'))
      await symlink(join(outside, 'target'), join(root, 'filelink'))
      await symlink(join(outside, 'nothing'), join(root, 'dangling'))
      const { copy } = await pair()
      const before = (await readdir(root, { recursive: true })).sort()
      await expect(copy(name, folder, pattern(9), { overwrite: true, createPath: true })).rejects.toMatchObject({
        code: 'refused',
      })
      expect(await readdir(outside)).toEqual(['target'])
      expect((await readFile(join(outside, 'target'))).toString()).toBe('x')
      expect((await readdir(root, { recursive: true })).sort()).toEqual(before)
    } finally {
      await rm(outside, { recursive: true })
    }
  })

  it('takes no file without a target or a daemon', async () => {
    const clock = new ManualClock()
    const host = new FileCopyComponent(hostOptions(clock))
    await bootGuest([fileCopyDriver()], [host], clock)
    await allReady(clock, host)
    await expect(
      done(host.copy({ name: 'a', folder: '/', source: sourceOf(pattern(1)) }), clock),
    ).rejects.toMatchObject({ status: IcStatus.E_FAIL })
  })

  it('leaves nothing behind when it is given up midway', async () => {
    const { copy, guest } = await pair()
    const abort = new AbortController()
    const onProgress = (bytes: number): void => {
      if (bytes > 20_000) abort.abort()
    }
    await expect(copy('file', '/', pattern(100_000), { signal: abort.signal, onProgress })).rejects.toMatchObject({
      code: 'aborted',
    })
    expect(await readdir(root)).toEqual([])
    await copy('file', '/', pattern(10))
    expect(guest.sysctl('dev.hvfcopy.0.files')).toBe(1)
  })

  it('[FC-03] removes a partial file when the service goes away, and resumes when it is back', async () => {
    const { clock, host, guest, copy } = await pair()
    const abort = new AbortController()
    const copied = host.copy({
      name: 'file',
      folder: '/',
      source: sourceOf(pattern(100_000)),
      onProgress: (bytes) => bytes > 20_000 && void abort.abort(),
    })
    const interrupted = new Promise((resolve) => abort.signal.addEventListener('abort', resolve))
    copied.catch(() => {})
    await done(interrupted, clock)
    await done(guest.tree.suspend(), clock)
    await expect(copied).rejects.toMatchObject({ code: 'gone' })
    expect(await readdir(root)).toEqual([])
    await done(guest.tree.resume(), clock)
    await allReady(clock, host)
    await copy('file', '/', pattern(10))
    expect(await readdir(root)).toEqual(['file'])
  })

  it('[FC-05] carries the same bytes over rings of three sizes', async () => {
    const bytes = pattern(1_000_000)
    const hash = createHash('sha256').update(bytes).digest('hex')
    for (const pages of [3, 4, 16]) {
      const { copy } = await pair(fileCopyFolder({ root }), pages * 4096)
      await copy(`file${pages}`, '/', bytes)
      const copied = await readFile(join(root, `file${pages}`))
      expect(createHash('sha256').update(copied).digest('hex')).toBe(hash)
    }
  })

  it.each<[FileCopyError['code'], number]>([
    ['no-space', IcStatus.DISK_FULL],
    ['denied', IcStatus.E_FAIL],
    ['io', IcStatus.E_FAIL],
  ])('[FC-04] tells the host of %s at any chunk, and removes what was there', async (code, status) => {
    for (let failing = 0; failing < 4; failing++) {
      let chunks = 0
      let cancelled = 0
      const { copy } = await pair({
        start: async () => ({
          async write() {
            if (chunks++ === failing) throw new FileCopyError(code, 'for the test')
          },
          async complete() {},
          async cancel() {
            cancelled++
          },
        }),
      })
      await expect(copy('file', '/', pattern(30_000))).rejects.toMatchObject({ code: 'refused', status })
      expect([chunks, cancelled]).toEqual([failing + 1, 1])
    }
  })
})

describe('what a hostile host sends for file copy', () => {
  async function raw() {
    const clock = new ManualClock()
    const host = new RawComponent(new FileCopyComponent(hostOptions(clock)).kind, hostOptions(clock))
    const guest = await bootGuest([fileCopyDriver({ fileCopy: fileCopyFolder({ root }) })], [host], clock)
    await allReady(clock, host)
    const send = async (body: Uint8Array): Promise<number> => (await done(host.ask(body), clock)).status
    return { guest, send }
  }

  const hdr = (operation: number) => ({ operation, service_id0: NIL_GUID, service_id1: NIL_GUID })
  const start = (name = 'file', size = 100, folder = '/'): Uint8Array =>
    fileCopyStart.encode({
      hdr: hdr(START),
      file_name: name,
      path_name: folder,
      copy_flags: 0,
      file_size: size,
    })
  const write = (offset: number, length: number): Uint8Array =>
    fileCopyWrite.encode({
      hdr: hdr(WRITE),
      offset_in_file: offset,
      copied: length,
      data: new Uint8Array(FILE_COPY_DATA_FRAGMENT),
    })
  const simple = (operation: number): Uint8Array => fileCopyHeader.encode(hdr(operation))

  it.each<[string, Uint8Array[]]>([
    ['an empty chunk', [start(), write(0, 0)]],
    ['a chunk longer than a message', [start('file', 10_000), write(0, 6145)]],
    ['a chunk that claims more than the message has', [start(), write(0, 100).subarray(0, 100)]],
    ['an offset that goes back', [start(), write(0, 50), write(0, 50)]],
    ['an offset that leaves a hole', [start(), write(0, 50), write(60, 40)]],
    ['bytes beyond the end', [start(), write(0, 101)]],
    ['bytes after the end', [start(), write(0, 100), write(100, 1)]],
    ['a second start', [start(), start('other')]],
    ['complete too early', [start(), write(0, 50), simple(COMPLETE)]],
    ['a chunk without a start', [write(0, 10)]],
    ['complete without a start', [simple(COMPLETE)]],
    ['a start cut short', [start().subarray(0, 1087)]],
    ['nothing at all', [new Uint8Array(0)]],
  ])('[FC-06] ends it with a status after %s, and leaves nothing', async (_, messages) => {
    const { send } = await raw()
    const statuses: number[] = []
    for (const message of messages) statuses.push(await send(message))
    expect(statuses.pop()).toBe(IcStatus.INVALID_ARGUMENT)
    expect(statuses.every((status) => status === IcStatus.S_OK)).toBe(true)
    expect(await readdir(root)).toEqual([])
    expect([await send(start()), await send(write(0, 100)), await send(simple(COMPLETE))]).toEqual([0, 0, 0])
    expect(await readdir(root)).toEqual(['file'])
  })

  it('[FC-06] cancels midway, and cancelling nothing is no error', async () => {
    const { send } = await raw()
    expect([
      await send(start()),
      await send(write(0, 50)),
      await send(simple(CANCEL)),
      await send(simple(CANCEL)),
    ]).toEqual([0, 0, 0, 0])
    expect(await readdir(root)).toEqual([])
  })

  it('[FC-04] does not know other operations', async () => {
    const { send } = await raw()
    for (const operation of [4, 5, 128, 0xffff_ffff]) expect(await send(simple(operation))).toBe(IcStatus.NOT_SUPPORTED)
  })

  it('[FC-01] takes names as they are: umlauts, pairs, 259 units; and no others', async () => {
    const { send } = await raw()
    for (const name of ['Grüße', '日本語', '😀.txt', 'a'.repeat(255)]) {
      expect([await send(start(name, 0)), await send(simple(COMPLETE))], name).toEqual([0, 0])
    }
    expect((await readdir(root)).sort()).toEqual(['Grüße', '日本語', '😀.txt', 'a'.repeat(255)].sort())
    const refused = ['x\ud800', '\udc00x', 'a'.repeat(260), '語'.repeat(87), 'a'.repeat(259), 'b/c']
    for (const name of refused) expect(await send(start(name, 0)), name).toBe(IcStatus.INVALID_ARGUMENT)
    const huge = start('huge', 0)
    huge.fill(0xff, fileCopyStart.file_size.offset)
    expect(await send(huge)).toBe(IcStatus.INVALID_ARGUMENT)
  })
})
