import { execFile } from 'node:child_process'
import { KvpError } from '../../errors.ts'

/** Runs a program, without a shell. @throws KvpError `failed` with what it said */
export type RunCommand = (program: string, args: readonly string[]) => Promise<string>

/** A daemon's requests have little time; what takes longer fails. */
const TIME_LIMIT_MS = 20_000

export const runCommand: RunCommand = (program, args) =>
  new Promise((resolve, reject) => {
    execFile(program, [...args], { timeout: TIME_LIMIT_MS }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new KvpError('failed', `${program}: ${stderr.trim().split('\n')[0] || error.message}`))
    })
  })
