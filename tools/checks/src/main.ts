import { catalogueCommand } from './catalogue/command.ts'
import { checks } from './checks.ts'
import { lint } from './lint.ts'

const [name, ...args] = process.argv.slice(2)
const check = checks.find((candidate) => candidate.name === name)

if (name === 'lint') process.exitCode = await lint(checks)
else if (name === 'catalogue' && args.length > 0) process.exitCode = catalogueCommand(args)
else if (check !== undefined) process.exitCode = await lint([check])
else {
  console.log('usage: npm run -s checks -- lint | NAME | catalogue --help\n')
  for (const { name, about } of checks) console.log(`  ${name.padEnd(10)} ${about}`)
  process.exitCode = name === undefined || name === '--help' ? 0 : 2
}
