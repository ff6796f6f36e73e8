import { type Command, Option } from 'commander'
import type { BackendView } from '../../balancer/index.js'
import { MAX_CONNECTIONS, MAX_WEIGHT } from '../../balancer/spec.js'
import { type AdminOptions, adminCommand, clientOf, print, readId, whole } from '../admin-command.js'
import { readBackend } from '../answers.js'
import { Failure } from '../failure.js'
import { printable } from '../printable.js'
import { pathOf } from './path.js'

interface Changes {
  weight?: number
  maxConnections?: number
}

/** `leastwise backends add`. */
export function add(): Command {
  return adminCommand(
    'add',
    'register a backend; it gets requests from now on, in slow start fewer at first',
    `Examples:
  leastwise backends add http://10.0.0.3:8080
  leastwise backends add https://10.0.0.4 --id c --weight 3 --max-connections 99

With --json it prints the backend, as POST /backends answers.`,
  )
    .argument('<url>', 'http:// or https://, host and port, and nothing else')
    .option('--id <id>', 'its name; made from the URL where it is left out (10.0.0.3-8080)')
    .addOption(weight())
    .addOption(maxConnections())
    .addOption(
      new Option('--host-header <which>', "the Host that it sees: the client's, or its own").choices([
        'client',
        'backend',
      ]),
    )
    .action(async (url: string, options: AdminOptions & Changes & { id?: string; hostHeader?: string }) => {
      const { id, weight, maxConnections, hostHeader } = options
      const body = { url, id, weight, maxConnections, hostHeader }
      const added = await clientOf(options).call('POST', '/backends', { read: readBackend, body })
      print(options, added, `added ${printable(added.id)} (${printable(added.url)}): ${limits(added)}`)
    })
}

/** `leastwise backends update`. */
export function update(): Command {
  return adminCommand(
    'update',
    'change the weight or the limit of a backend; its counts are kept',
    `Examples:
  leastwise backends update c --weight 5
  leastwise backends update c --max-connections 0

With --json it prints the backend, as PATCH /backends/:id answers.`,
  )
    .argument('<id>', 'of the backend', readId)
    .addOption(weight())
    .addOption(maxConnections())
    .action(async (id: string, options: AdminOptions & Changes) => {
      const { weight, maxConnections } = options
      if (weight === undefined && maxConnections === undefined)
        throw new Failure('usage', 'backends update takes --weight, --max-connections or both')
      const body = { weight, maxConnections }
      const updated = await clientOf(options).call('PATCH', pathOf(id), { read: readBackend, body })
      print(options, updated, `updated ${printable(updated.id)}: ${limits(updated)}`)
    })
}

function weight(): Option {
  return new Option('--weight <n>', `its share, relative to others, 1 to ${MAX_WEIGHT}`).argParser(
    whole(1, MAX_WEIGHT),
  )
}

function maxConnections(): Option {
  return new Option('--max-connections <n>', 'requests it may hold at a time; 0 for any number').argParser(
    whole(0, MAX_CONNECTIONS),
  )
}

function limits({ weight, maxConnections }: BackendView): string {
  return `weight ${weight}, ${maxConnections === null ? 'no limit' : `at most ${maxConnections} in flight`}`
}
