#!/usr/bin/env node
import { CommanderError } from 'commander'
import { Failure, report } from './failure.js'
import { program } from './program.js'

const [first = 'serve', ...rest] = process.argv.slice(2)
const args = [first, ...rest]
const json = args.includes('--json')

// A command ends if its standard output is closed, because then its reader needs no more output or the terminal is
// gone. A gateway (`serve`) goes on without its log.
if (first !== 'serve') {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'EIO') process.exit()
    const failure = new Failure('output', `standard output cannot be written: ${error.message}`)
    report(failure, json)
    process.exit(failure.exitCode)
  })
}

try {
  await program().parseAsync(args, { from: 'user' })
} catch (error) {
  if (error instanceof Failure) {
    report(error, json)
    process.exitCode = error.exitCode
  } else if (!(error instanceof CommanderError)) throw error
}
