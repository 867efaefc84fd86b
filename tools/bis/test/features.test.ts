import { describe, expect, it } from 'vitest'
import { bis } from './bis-process.ts'

describe('bis features', () => {
  it('prints the table, and with --json what was done and seen', async () => {
    const cell = [
      '--release',
      '9.3',
      '--host',
      '2008r2',
      '--only',
      'scatter-gather',
      '--only',
      'video',
      '--only',
      'trim',
    ]
    const { status, stdout, stderr } = await bis('features', ...cell)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^Feature +Host from +9\.3\nScatter\/gather list +2008r2 +yes\nTRIM +2012 +not offered\n/)
    expect(stdout).toMatch(/^Hyper-V specific video +2008r2 +not built yet$/m)
    expect(stdout).toMatch(/of 3 cells 1 works, 1 not offered, 1 not built yet, 0 fails\n$/)
    const { cells } = JSON.parse((await bis('features', '--json', ...cell)).stdout)
    expect(cells[0]).toMatchObject({
      feature: 'scatter-gather',
      state: 'works',
      did: expect.stringMatching(/./),
      saw: expect.stringMatching(/every byte/),
    })
  })

  it.each([
    ['--release', '9.0'],
    ['--host', '2003'],
    ['--only', 'teleport'],
  ])('refuses %s %s in one line', async (option, value) => {
    const { status, stdout, stderr } = await bis('features', option, value)
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(new RegExp(`^bis: ${option} "${value}": choose .*\n$`))
  })
})
