#!/usr/bin/env node
import { runCli } from './cli.ts'

// Not only the status: a guest whose root is gone has timers that would keep the process for a minute.
process.exit(await runCli(process.argv.slice(2)))
