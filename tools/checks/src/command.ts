import { spawn } from 'node:child_process'

export interface Outcome {
  readonly ok: boolean
  /** What the command printed, both streams in order of arrival. */
  readonly output: string
}

/** Runs a program to its end and keeps what it prints. */
export function runCommand(program: string, args: readonly string[], cwd: string): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, TURBO_TELEMETRY_DISABLED: '1' }
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env })
    let output = ''
    const keep = (chunk: string) => {
      output += chunk
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    child.on('error', reject)
    child.on('close', (code) => resolve({ ok: code === 0, output }))
  })
}
