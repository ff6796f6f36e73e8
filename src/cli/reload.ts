import type { Command } from 'commander'
import type { ConfigChange } from '../admin/contract/config.js'
import { type AdminOptions, adminCommand, clientOf, print } from './admin-command.js'
import { readChanges } from './gateway-responses.js'

const examples = `Examples:
  leastwise reload
  leastwise reload --json | jq -r '.changes[] | [.kind, .what, .name] | @tsv'

All of the file is in force once it returns, in every thread, or nothing of it
is: then the mistakes are printed on standard error, each in a line
FILE:LINE:COLUMN PATH: MESSAGE, and the exit code is 1. The paths are those of
the gateway's machine. With --json it prints {"changes":[…]}, as
POST /config/reload answers, and a failure has the field "mistakes".`

/** Makes the command `leastwise reload`. */
export function reloadCommand(): Command {
  return adminCommand('reload', "load the gateway's file again, as a whole or not at all", examples).action(
    async (options: AdminOptions) => {
      const changes = await clientOf(options).call('POST', '/config/reload', { read: readChanges, body: {} })
      print(options, { changes }, changes.length === 0 ? 'nothing has changed' : changes.map(line).join('\n'))
    },
  )
}

function line({ kind, what, name }: ConfigChange): string {
  return `${kind} ${what} ${name}`
}
