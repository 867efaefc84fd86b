import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundle } from '@bis/build/bundle'
import { fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import { SeededRandom } from '@bis/hyperv-types'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { bootTalker } from './talker.ts'

const directory = mkdtempSync(join(tmpdir(), 'kill-'))
const path = join(directory, 'root.sock')
const children: ChildProcess[] = []
let hostScript = ''
let guestScript = ''

beforeAll(async () => {
  hostScript = await bundle(new URL('host-process.ts', import.meta.url))
  guestScript = await bundle(new URL('guest-process.ts', import.meta.url))
}, 60_000)

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

afterAll(() => rmSync(directory, { recursive: true }))

interface Process {
  readonly child: ChildProcess
  /** All that it has written so far. */
  output(): string
  /** Waits until it has written that. */
  until(text: string): Promise<void>
  kill(): Promise<void>
}

function start(script: string): Process {
  const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const exit = once(child, 'exit')
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  return {
    child,
    output: () => output,
    async until(text) {
      while (!output.includes(text)) {
        await Promise.race([once(child.stdout, 'data'), exit])
        if (child.exitCode !== null) throw new Error(`ended without "${text}": ${output}`)
      }
    },
    async kill() {
      child.kill('SIGKILL')
      await exit
    },
  }
}

/** Boots on the host at the socket, talks, and switches off again. */
async function serveOne(): Promise<void> {
  const { machine, talk } = await bootTalker(path)
  await talk(100)
  await machine.powerOff()
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('a kill at any moment', () => {
  it(
    'of the guest leaves the host able to serve the next',
    async () => {
      const random = new SeededRandom(fuzzSeed)
      const host = start(hostScript)
      await host.until('listening')
      const kills = fuzzRuns(6)
      for (let kill = 0; kill < kills; kill++) {
        const guest = start(guestScript)
        // Before it has connected, while it boots, or while it talks.
        if (kill % 2 === 0) await guest.until('booted')
        await wait(random.below(kill % 2 === 0 ? 60 : 400))
        await guest.kill()
        await serveOne()
      }
      expect(host.child.exitCode).toBeNull()
      expect(host.output()).toMatch(/ended: .*closed/)
      expect(readdirSync('/dev/shm').filter((name) => name.startsWith(`bis-${process.pid}-`))).toEqual([])
    },
    fuzzTimeout(60_000),
  )

  it(
    'of the host leaves the guest with a clear error, and the next host serves the next guest',
    async () => {
      const random = new SeededRandom(fuzzSeed + 1)
      for (let kill = 0; kill < fuzzRuns(6); kill++) {
        const host = start(hostScript)
        await host.until('listening')
        const life = (async () => {
          const { machine, talk } = await bootTalker(path)
          const talking = talk(Number.POSITIVE_INFINITY)
          const failed = talking.catch((error: Error) => error.name)
          const reason = await machine.rootGone
          const begin = performance.now()
          await machine.powerOff()
          return { reason, failed: await failed, took: performance.now() - begin, held: machine.kernel.pages }
        })()
        const outcome = life.catch((error: Error & { code?: string }) => ({ name: error.name, code: error.code }))
        await wait(random.below(250))
        await host.kill()
        const end = await outcome
        if ('reason' in end) {
          expect(end.reason).toMatch(/closed|ECONNRESET|EPIPE/)
          expect(['ChannelError', 'VmbusError', 'Error']).toContain(end.failed)
          expect(end.took).toBeLessThan(5000)
          expect(end.held.allocatedPages).toBe(0)
        } else {
          expect(end).toMatchObject({ name: expect.stringMatching(/TransportError|VmbusError/) })
        }
      }
      const host = start(hostScript)
      await host.until('listening')
      await serveOne()
    },
    fuzzTimeout(60_000),
  )
})
