import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { endAtOnce } from '../gateway/signals.js'

/**
 * Replaces Node's own error, which has a stack and says only that too many files are open. Node opens the files of a
 * program in parallel, so it needs many file descriptors to start.
 */
const TOO_FEW_DESCRIPTORS =
  'there are too few file descriptors to start with: Node 20 takes some 200 to load the program; raise ulimit -n'

/** Makes the command `leastwise serve`, which is also the default without a command. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('pass requests on to the backends; what leastwise does without a command')
    .option('--config <file>', 'the file of the gateway; the same as CONFIG_FILE')
    .addHelpText('after', settings)
    .action(async ({ config }: { config?: string }) => {
      // The gateway takes its settings from the environment, whatever starts it.
      if (config !== undefined) process.env.CONFIG_FILE = config
      endAtOnce()
      // The gateway is imported only here, so that all other commands start faster, without Fastify.
      await import('../gateway/main.js').catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EMFILE' && error.code !== 'ENFILE') throw error
        process.stderr.write(`leastwise: ${TOO_FEW_DESCRIPTORS}\n`)
        process.exit(1)
      })
    })
}

function settings(): string {
  return `
Settings come from the environment and from .env in this folder. A wrong one
stops the start with exit code 1 and a line that names it. SIGTERM and SIGINT
let requests in flight finish, and end it with exit code 0, or 1 if some had to
be cut; the same again a second later ends it at once.

Example:
  BACKENDS=http://10.0.0.1:8080,http://10.0.0.2:8080 PORT=8000 leastwise serve

${readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8')}`
}
