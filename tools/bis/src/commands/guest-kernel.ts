import type { Command } from '../command.ts'
import { VERBS } from '../vm/verbs/index.ts'
import { vm } from './vm.ts'

/** `bis kldstat NAME` is `bis vm kldstat NAME`, and so the others: FreeBSD's names for what a user types. */
function alias(name: 'kldstat' | 'kldload' | 'kldunload' | 'sysctl'): Command {
  const verb = VERBS[name]
  return {
    name,
    summary: verb?.summary ?? '',
    usage: verb?.usage ?? '',
    options: verb?.options ?? {},
    positionals: 1 + (verb?.words ?? 0),
    details: 'NAME is that of a running machine; bis vm list shows the names.',
    run: (args, signal) => vm.run({ ...args, positionals: [name, ...args.positionals] }, signal),
  }
}

export const kldstat = alias('kldstat')
export const kldload = alias('kldload')
export const kldunload = alias('kldunload')
export const sysctl = alias('sysctl')
