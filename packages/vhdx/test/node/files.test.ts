import { chmod, link, mkdir, readdir, rename, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DiskImageError } from '../../src/index.ts'
import {
  checkAzureFile,
  checkFile,
  convertFile,
  createChildFile,
  createFile,
  FileBackend,
  mergeFile,
  openFile,
} from '../../src/node/index.ts'
import { testFolder } from '../support/folder.ts'

const MIB = 1024 * 1024
const inFolder = testFolder()

async function refusal(work: Promise<unknown>): Promise<DiskImageError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(DiskImageError)
  return error as DiskImageError
}

describe('files', () => {
  it('that are missing, exist already, or are none, are named in one line', async () => {
    const missing = inFolder('missing.vhdx')
    expect(await refusal(openFile(missing))).toMatchObject({ code: 'not-found', message: `${missing}: no such file` })
    const folder = inFolder('folder')
    await mkdir(folder)
    expect(await refusal(openFile(folder))).toMatchObject({ code: 'not-a-file' })
    expect(await refusal(openFile(folder, { readOnly: true }))).toMatchObject({ code: 'not-a-file' })
    expect(await refusal(openFile(join(missing, 'inside')))).toMatchObject({ code: 'not-found' })
    const there = inFolder('there.vhdx')
    await writeFile(there, 'precious')
    expect(await refusal(createFile(there, { sizeBytes: MIB }))).toMatchObject({ code: 'exists' })
    expect(await refusal(openFile(there))).toMatchObject({
      code: 'not-an-image',
      message: expect.stringContaining('named .vhdx') as string,
    })
    await (await openFile(there, { format: 'raw' })).close()
    expect(await checkFile(there)).toMatchObject({ ok: false, findings: [{ code: 'not-an-image', severity: 'error' }] })
    expect(await checkFile(there, { format: 'raw' })).toMatchObject({ ok: true, findings: [] })
    const nowhere = inFolder('none/new.vhdx')
    expect(await refusal(createFile(nowhere, { sizeBytes: MIB }))).toMatchObject({
      code: 'not-found',
      message: `${nowhere}: the folder for it does not exist`,
    })
  })

  it('without permission are refused', async () => {
    const path = inFolder('secret.vhdx')
    await (await createFile(path, { sizeBytes: MIB })).close()
    await chmod(path, 0o444)
    await chmod(dirname(path), 0o755)
    // Permissions do not stop the superuser, so it is somebody else for a moment.
    const isRoot = process.geteuid?.() === 0
    if (isRoot) process.seteuid?.(65_534)
    try {
      expect(await refusal(openFile(path))).toMatchObject({ code: 'permission' })
      await (await openFile(path, { readOnly: true })).close()
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
  })

  it('that could not be made leave nothing behind', async () => {
    const path = inFolder('half.vhdx')
    expect(await refusal(createFile(path, { sizeBytes: 100 }))).toMatchObject({
      code: 'invalid-option',
      message: expect.stringContaining(path) as string,
    })
    expect(await refusal(openFile(path))).toMatchObject({ code: 'not-found' })
  })

  it('are not opened for writing twice, under another name either', async () => {
    const path = inFolder('once.vhdx')
    const disk = await createFile(path, { sizeBytes: 8 * MIB })
    await link(path, inFolder('other-name.vhdx'))
    expect(await refusal(openFile(path))).toMatchObject({ code: 'in-use' })
    expect(await refusal(openFile(inFolder('other-name.vhdx')))).toMatchObject({ code: 'in-use' })
    await disk.close()
    await (await openFile(path)).close()
  })

  it('keep what was written, through await using', async () => {
    const path = inFolder('kept.vhdx')
    {
      await using disk = await createFile(path, { sizeBytes: 8 * MIB })
      await disk.write(MIB, new Uint8Array(4096).fill(3))
    }
    await using disk = await openFile(path, { readOnly: true })
    const back = new Uint8Array(4096)
    await disk.read(MIB, back)
    expect(back.every((byte) => byte === 3)).toBe(true)
  })

  it('say their name, size and time', async () => {
    const path = inFolder('plain')
    await writeFile(path, new Uint8Array(1000))
    await utimes(path, 1, 1_700_000_000)
    const backend = await FileBackend.open(path)
    expect([backend.name, await backend.size(), await backend.modifiedAt()]).toEqual([path, 1000, 1_700_000_000_000])
    await backend.close()
    await backend.close()
  })
})

describe.each(['vhdx', 'vhd'] as const)('children of a %s file', (format) => {
  const name = (file: string) => inFolder(join(format, file))

  it('find their parent beside them, after both have moved', async () => {
    await mkdir(name('a/sub'), { recursive: true })
    const disk = await createFile(name(`a/base.${format}`), { format, sizeBytes: 8 * MIB })
    await disk.write(0, new Uint8Array(8 * MIB).fill(1))
    await disk.close()
    const child = await createChildFile(name(`a/sub/child.${format}`), name(`a/base.${format}`))
    await child.write(MIB, new Uint8Array(512).fill(2))
    expect(await child.info()).toMatchObject({
      type: 'differencing',
      parent: { paths: expect.arrayContaining([{ kind: 'relative', path: `..\\base.${format}` }]) as unknown },
    })
    await child.close()
    await rename(name('a'), name('b'))
    const moved = await openFile(name(`b/sub/child.${format}`))
    const back = new Uint8Array(1024)
    await moved.read(MIB, back)
    expect([back[0], back[512]]).toEqual([2, 1])
    // While a child reads through it, the parent is not to be written to.
    expect(await refusal(openFile(name(`b/base.${format}`)))).toMatchObject({ code: 'in-use' })
    await (await openFile(name(`b/base.${format}`), { readOnly: true })).close()
    await moved.close()
    await (await openFile(name(`b/base.${format}`))).close()
    expect(await checkFile(name(`b/sub/child.${format}`))).toMatchObject({ ok: true })
  })

  it('are merged into their parent', async () => {
    const [base, child] = [name(`base.${format}`), name(`child.${format}`)]
    await mkdir(name('.'), { recursive: true })
    await (await createFile(base, { format, sizeBytes: 8 * MIB })).close()
    const disk = await createChildFile(child, base)
    await disk.write(MIB, new Uint8Array(512).fill(2))
    await disk.close()
    expect(await mergeFile(child, { removeChild: true })).toBe(base)
    expect(await readdir(name('.'))).not.toContain(`child.${format}`)
    const merged = await openFile(base, { readOnly: true })
    const back = new Uint8Array(512)
    await merged.read(MIB, back)
    expect(back[0]).toBe(2)
    await merged.close()
    expect(await refusal(mergeFile(base))).toMatchObject({ code: 'invalid-option' })
  })

  it('miss a parent that is gone', async () => {
    await mkdir(name('c'), { recursive: true })
    await (await createFile(name(`c/base.${format}`), { format, sizeBytes: 8 * MIB })).close()
    await (await createChildFile(name(`c/child.${format}`), name(`c/base.${format}`))).close()
    await rename(name(`c/base.${format}`), name(`c/elsewhere.${format}`))
    expect(await refusal(openFile(name(`c/child.${format}`)))).toMatchObject({
      code: 'parent-missing',
      message: expect.stringContaining(`.\\base.${format}`) as string,
    })
  })
})

describe('converting files', () => {
  it('makes an image for Azure', async () => {
    const [raw, vhd] = [inFolder('system.raw'), inFolder('azure.vhd')]
    await writeFile(raw, new Uint8Array(3 * MIB + 512).fill(7))
    await convertFile(raw, vhd, { azure: true })
    expect(await checkAzureFile(vhd)).toEqual([])
    expect(await checkAzureFile(raw)).toEqual([expect.objectContaining({ code: 'not-vhd' })])
  })

  it('leaves no target when it is broken off, and never overwrites one', async () => {
    const [raw, target] = [inFolder('source.raw'), inFolder('target.vhdx')]
    await writeFile(raw, new Uint8Array(16 * MIB).fill(7))
    const controller = new AbortController()
    await expect(
      convertFile(raw, target, { signal: controller.signal, onProgress: (done) => done > 0 && controller.abort() }),
    ).rejects.toThrow()
    expect(await refusal(openFile(target))).toMatchObject({ code: 'not-found' })
    await convertFile(raw, target)
    expect(await refusal(convertFile(raw, target))).toMatchObject({ code: 'exists' })
    expect(await checkFile(target)).toMatchObject({ ok: true, allocatedBlocks: 8 })
  })
})
