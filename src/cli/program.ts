import { readFileSync } from 'node:fs'
import { Command, type CommanderError } from 'commander'
import { backendsCommand } from './backends.js'
import { checkCommand } from './check.js'
import { diffCommand } from './diff.js'
import { explainCommand } from './explain.js'
import { Failure } from './failure.js'
import { gatewaysCommand } from './gateways.js'
import { policyCommand } from './policy.js'
import { poolsCommand } from './pools.js'
import { reloadCommand } from './reload.js'
import { routesCommand } from './routes.js'
import { schemaCommand } from './schema.js'
import { serveCommand } from './serve.js'
import { topCommand } from './top.js'

const more = `
Without a command it serves. Each command has help of its own, with examples:
  leastwise serve --help
  leastwise backends add --help

Examples:
  BACKENDS=http://10.0.0.1:8080,http://10.0.0.2:8080 leastwise
  leastwise top
  leastwise backends add http://10.0.0.3:8080 --id c
  leastwise backends drain c --wait

Exit codes of all but serve: 0 done; 1 the gateway refused the call, a file has
mistakes, or diff found differences;
2 wrong usage; 3 no gateway responds there; 4 the output could not be written.`

/** Returns the command line of the program. Parsing a wrong command line throws a {@link Failure}. */
export function program(): Command {
  const root = new Command('leastwise')
    .description('a load balancer that sends each request to the least loaded backend')
    .version(version(), '-v, --version', 'print the version')
    .addHelpText('after', more)
    .addCommand(serveCommand())
    .addCommand(checkCommand())
    .addCommand(schemaCommand())
    .addCommand(diffCommand())
    .addCommand(backendsCommand())
    .addCommand(policyCommand())
    .addCommand(poolsCommand())
    .addCommand(gatewaysCommand())
    .addCommand(routesCommand())
    .addCommand(explainCommand())
    .addCommand(reloadCommand())
    .addCommand(topCommand())
  failInOneLine(root, root.name())
  return root
}

/** Makes a command and its subcommands report each error in one line that refers to the help of the command. */
function failInOneLine(command: Command, name: string): void {
  command
    .helpOption('-h, --help', 'print this')
    .configureOutput({ writeErr: () => undefined })
    .exitOverride((error) => {
      if (error.exitCode === 0) throw error
      throw new Failure('usage', `${messageOf(error)}; see ${name} --help`)
    })
  for (const below of command.commands) failInOneLine(below, `${name} ${below.name()}`)
}

function messageOf({ code, message }: CommanderError): string {
  if (code === 'commander.help') return 'a command is missing'
  return message
    .replace(/^error: /, '')
    .replace(/\s+/g, ' ')
    .replace(/\.$/, '')
}

function version(): string {
  const manifest = new URL('../../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}
