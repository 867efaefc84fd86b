import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openCharacterDevice } from './open-character-device.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bis-device-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

it('says what an open means that fails', () => {
  expect(() => openCharacterDevice(join(folder, 'none'), 4)).toThrow(
    expect.objectContaining({ name: 'DeviceError', code: 'io', message: expect.stringContaining('no such device') }),
  )
})

it('reads messages, and calls an empty one the end', async () => {
  const path = join(folder, 'file')
  writeFileSync(path, 'abcdef')
  const file = openCharacterDevice(path, 4)
  expect([await file.read(), await file.read()].map((bytes) => bytes.length)).toEqual([4, 2])
  await expect(file.read()).rejects.toMatchObject({ name: 'DeviceError', code: 'io' })
  file.close()
  file.close()
  expect(() => file.write(Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'io' }))
})

it.runIf(existsSync('/dev/full'))('tells of a device that takes nothing', () => {
  const file = openCharacterDevice('/dev/full', 4)
  expect(() => file.write(Uint8Array.of(1))).toThrow(/takes no answer/)
  file.close()
})

it.runIf(existsSync('/proc/self/fd'))('closes when the read is over that was given up', async () => {
  const path = join(folder, 'pipe') // makes its reader wait, as a device does
  execFileSync('mkfifo', [path])
  const file = openCharacterDevice(path, 4)
  const stop = new AbortController()
  const reading = file.read(stop.signal)
  stop.abort()
  await expect(reading).rejects.toMatchObject({ code: 'aborted' })
  file.close()
  expect(timesOpen(path)).toBe(1)
  const writer = openSync(path, 'r+')
  writeSync(writer, 'wake')
  closeSync(writer)
  await vi.waitFor(() => expect(timesOpen(path)).toBe(0))
})

function timesOpen(path: string): number {
  return readdirSync('/proc/self/fd').filter((number) => {
    const link = join('/proc/self/fd', number)
    return existsSync(link) && readlinkSync(link) === path
  }).length
}
