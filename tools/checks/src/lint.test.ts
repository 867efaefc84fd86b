import { afterEach, expect, it, vi } from 'vitest'
import { lint } from './lint.ts'

const log = vi.spyOn(console, 'log').mockImplementation(() => {})
afterEach(() => log.mockClear())

const check = (name: string, run: () => Promise<string[]>) => ({ name, about: '', run })
const printed = () => log.mock.calls.map(([line]) => String(line))

it('runs every check, counts, and fails when one did', async () => {
  const status = await lint([
    check('good', async () => []),
    check('bad', async () => ['a.ts: wrong\nsecond line']),
    check('broken', async () => {
      throw new Error('no such program')
    }),
  ])
  expect(status).toBe(1)
  expect(printed()).toContain('       a.ts: wrong\n       second line')
  expect(printed().join()).toContain('no such program')
  expect(printed().at(-1)).toBe('lint: 1 passed, 2 failed')
})

it('succeeds when all did', async () => {
  expect(await lint([check('good', async () => [])])).toBe(0)
  expect(printed().at(-1)).toBe('lint: 1 passed, 0 failed')
})
