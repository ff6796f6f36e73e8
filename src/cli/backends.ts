import { Command } from 'commander'
import { type AdminOptions, clientOf, poolCommand, print } from './admin-command.js'
import { listColumns } from './backend-columns.js'
import { activate } from './backends/activation.js'
import { drain, remove } from './backends/departure.js'
import { add, update } from './backends/registration.js'
import { readBackends } from './responses.js'
import { table } from './table.js'

const examples = `
Examples:
  leastwise backends list
  leastwise backends add http://10.0.0.3:8080 --id c
  leastwise backends drain c --wait
  leastwise backends remove c

Each command has help of its own: leastwise backends add --help`

/** Makes the command `leastwise backends`, with its subcommands. */
export function backendsCommand(): Command {
  return new Command('backends')
    .description('list, add, update, drain, activate and remove backends')
    .addHelpText('after', examples)
    .addCommand(list())
    .addCommand(add())
    .addCommand(update())
    .addCommand(drain())
    .addCommand(activate())
    .addCommand(remove())
}

function list(): Command {
  return poolCommand(
    'list',
    'print all backends, in order of registration',
    `Examples:
  leastwise backends list
  leastwise backends list --json | jq -r '.backends[] | select(.failed > 0).id'

total and failed count since the backend was registered; p50 and p99 are of the
first byte of the last 1,024 answers. With --json it prints {"backends":[…]}, as
GET /backends answers.`,
  ).action(async (options: AdminOptions) => {
    const backends = await clientOf(options).call('GET', '/backends', { read: readBackends })
    print(options, { backends }, table(listColumns, backends).join('\n'))
  })
}
