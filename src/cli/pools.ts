import type { Command } from 'commander'
import { type AdminOptions, adminCommand, clientOf, print } from './admin-command.js'
import { type NamedPool, readPools } from './responses.js'
import { type Column, table } from './table.js'

const examples = `Examples:
  leastwise pools
  leastwise backends list --pool users

With --json it prints {"pools":[…]}, as GET /pools answers.`

const columns: Column<NamedPool>[] = [
  { head: 'name', text: ({ name }) => name },
  { head: 'policy', text: ({ policy }) => policy },
  { head: 'backends', right: true, text: ({ backends }) => String(backends) },
  { head: 'eligible', right: true, text: ({ eligible }) => String(eligible) },
  { head: 'in flight', right: true, text: ({ inFlight }) => String(inFlight) },
  { head: 'queue', right: true, text: ({ queue }) => `${queue.length} of ${queue.limit}` },
]

/** Makes the command `leastwise pools`. */
export function poolsCommand(): Command {
  return adminCommand('pools', 'print the pools that the gateway has', examples).action(
    async (options: AdminOptions) => {
      const pools = await clientOf(options).call('GET', '/pools', { read: readPools })
      print(options, { pools }, table(columns, pools).join('\n'))
    },
  )
}
