import { describe, expect, it } from 'vitest'
import { BisProcess, bis } from './bis-process.ts'

describe('bis sysctl', () => {
  it.each([['inline'], ['worker']])('shows and writes the state of a guest whose root is %s', async (root) => {
    const name = `sysctl-${root}-${process.pid}`
    const args = ['boot', '--root', root, '--nic', 'switch', '--stay', '--name', name]
    const machine = new BisProcess([...args, '--tunable', 'hw.hn.tx_chimney_size=512'])
    const sysctl = (...rest: string[]) => bis('sysctl', name, ...rest)
    try {
      await machine.until(/^hn0: ok/m)
      expect(await sysctl('kern.vm_guest')).toMatchObject({ status: 0, stdout: 'kern.vm_guest: hv\n', stderr: '' })
      expect((await sysctl('-n', 'hw.hn.tx_chimney_size')).stdout).toBe('512\n')
      expect((await sysctl('-N', 'dev.hn.0')).stdout).toMatch(/^dev\.hn\.0\.nvs_version$/m)
      expect((await sysctl('-d', 'dev.hn.0.tso_max')).stdout).toBe('dev.hn.0.tso_max: max TSO size\n')
      const all = JSON.parse((await sysctl('--json')).stdout) as { name: string; writable: boolean }[]
      expect(all.map((entry) => entry.name)).toEqual(expect.arrayContaining(['kern.osreldate', 'dev.vmbus.0.%driver']))

      expect((await sysctl('dev.hn.0.agg_pkts=7')).stdout).toMatch(/^dev\.hn\.0\.agg_pkts: -?\d+ -> 7\n$/)
      expect((await sysctl('-W', 'dev.hn.0')).stdout).toMatch(/^dev\.hn\.0\.agg_pkts: 7$/m)

      const refused = async (...rest: string[]): Promise<string> => {
        const { status, stdout, stderr } = await sysctl(...rest)
        expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
        expect(stderr).toMatch(/^bis: .*\n$/)
        return stderr
      }
      expect(await refused('dev.nosuch.0')).toContain("unknown oid 'dev.nosuch.0'")
      expect(await refused('kern.vm_guest=none')).toContain('cannot be written')
      expect(await refused('dev.hn.0.agg_pkts=many')).toContain('takes a whole number')
      expect(await refused('dev.hn=1')).toContain('is a node')
    } finally {
      await machine.end()
    }
  })
})
