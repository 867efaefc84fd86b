import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { BIS, bis } from './bis-process.ts'

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
    expect(stdout.split('\n').map((line) => line.trimEnd())).toEqual([
      'Feature                   Hyper-V   9.3',
      '  Availability                      Ports',
      '',
      'Core',
      '  Scatter/Gather List     2008 R2+  ✓',
      '',
      'Storage',
      '  TRIM support            2012+     not offered',
      '',
      'Video',
      '  Hyper-V-specific video  2008 R2+  not built yet',
      '',
      '2 of 3 rows have a probe; of 3 cells 1 works, 1 not offered, 1 not built yet, 0 fails',
      '',
    ])
    const { cells } = JSON.parse((await bis('features', '--json', ...cell)).stdout)
    expect(cells[0]).toMatchObject({
      feature: 'scatter-gather',
      state: 'works',
      did: expect.stringMatching(/./),
      saw: expect.stringMatching(/every byte/),
    })
  })

  it('takes one form at a time', async () => {
    const { status, stdout, stderr } = await bis('features', '--json', '--markdown', '--only', 'video')
    expect([status, stdout, stderr]).toEqual([2, '', 'bis: --json and --markdown: one form at a time\n'])
  })

  it('says nothing when its reader has gone', async () => {
    const only = ['--only', 'video', '--json']
    const piped = promisify(execFile)('sh', ['-c', '"$@" | true', 'sh', process.execPath, BIS, 'features', ...only])
    expect(await piped).toEqual({ stdout: '', stderr: '' })
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
