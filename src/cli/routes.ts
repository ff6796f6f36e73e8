import type { Command } from 'commander'
import { type AdminOptions, adminCommand, clientOf, print } from './admin-command.js'
import { type Route, readRoutes } from './gateway-responses.js'
import { goalOf, matchOf, pluginsOf } from './route-text.js'
import { type Column, table } from './table.js'

const examples = `Examples:
  leastwise routes
  leastwise routes --json | jq -r '.routes[] | [.name, .latency.p99] | @tsv'

Requests are those since the start; failed: the client got a gateway failure;
refused: the gateway or a plugin of the route answered with an error. p50 and
p99 are estimates, from the arrival of a request to its end. With --json it
prints {"routes":[…]}, as GET /routes answers.`

const columns: Column<Route>[] = [
  { head: 'name', text: ({ name }) => name },
  { head: 'match', text: ({ match }) => matchOf(match) },
  { head: 'to', text: goalOf },
  { head: 'plugins', spare: 2, text: ({ plugins }) => pluginsOf(plugins).join(' ') || '-' },
  { head: 'requests', right: true, text: ({ requests }) => String(requests.total) },
  {
    head: 'failed',
    right: true,
    text: ({ requests }) => String(requests.failed),
    style: ({ requests }) => (requests.failed > 0 ? 'red' : undefined),
  },
  { head: 'refused', right: true, text: ({ requests }) => String(requests.refused) },
  { head: 'p50', right: true, spare: 1, text: ({ latency }) => time(latency.p50) },
  { head: 'p99', right: true, spare: 1, text: ({ latency }) => time(latency.p99) },
]

/** Makes the command `leastwise routes`. */
export function routesCommand(): Command {
  return adminCommand('routes', 'print the routes of the gateway, and what each has done', examples).action(
    async (options: AdminOptions) => {
      const routes = await clientOf(options).call('GET', '/routes', { read: readRoutes })
      const width = process.stdout.isTTY ? process.stdout.columns : undefined
      const none = 'there are no routes: every request goes to the only pool'
      print(options, { routes }, routes.length === 0 ? none : table(columns, routes, width).join('\n'))
    },
  )
}

function time(milliseconds: number | null): string {
  if (milliseconds === null) return '-'
  return milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0)
}
