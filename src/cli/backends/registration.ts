import { type Command, InvalidArgumentError, Option } from 'commander'
import { MAX_CONNECTIONS, MAX_WEIGHT } from '../../balancer/backends/spec.js'
import type { BackendView } from '../../balancer/index.js'
import { type AdminOptions, clientOf, poolCommand, print, readId, whole } from '../admin-command.js'
import { Failure } from '../failure.js'
import { readBackend } from '../responses.js'
import { terminalText } from '../terminal-text.js'
import { nullIfOff, type OFF, orOff } from './or-off.js'
import { pathOf } from './path.js'
import { addTlsOptions, type TlsOptions, tlsChangesIn } from './tls-options.js'

interface Changes extends TlsOptions {
  weight?: number
  maxConnections?: number
  backup?: boolean
  healthPort?: number | typeof OFF
  healthHost?: string | typeof OFF
}

/** Makes the command `leastwise backends add`. */
export function add(): Command {
  const command = poolCommand(
    'add',
    'register a backend; it gets requests from now on, in slow start fewer at first',
    `Examples:
  leastwise backends add http://10.0.0.3:8080
  leastwise backends add https://10.0.0.4 --id c --weight 3 --max-connections 99
  leastwise backends add unix:/run/app.sock
  leastwise backends add https://10.0.0.5 --id d --ca /etc/leastwise/ca.pem

With --json it prints the backend, as POST /backends answers.`,
  )
    .argument(
      '<url>',
      'http:// or https://, host and port, and nothing else; or unix: and the path of a socket',
    )
    .option('--id <id>', 'its name; made from the URL where it is left out (10.0.0.3-8080)')
    .addOption(weight())
    .addOption(maxConnections())
    .option('--backup', 'use it only where no other backend is usable')
    .addOption(healthPort())
    .addOption(healthHost())
    .addOption(
      new Option('--host-header <which>', "the Host that it sees: the client's, or its own").choices([
        'client',
        'backend',
      ]),
    )
  return addTlsOptions(command).action(
    async (url: string, options: AdminOptions & Changes & { id?: string; hostHeader?: string }) => {
      const { id, hostHeader } = options
      const body = { url, id, hostHeader, ...changesIn(options) }
      const added = await clientOf(options).call('POST', '/backends', { read: readBackend, body })
      print(options, added, `added ${terminalText(added.id)} (${terminalText(added.url)}): ${limits(added)}`)
    },
  )
}

/** Makes the command `leastwise backends update`. */
export function update(): Command {
  const command = poolCommand(
    'update',
    'change the weight, the limit, the checks or the TLS of a backend; its counts are kept',
    `Examples:
  leastwise backends update c --weight 5
  leastwise backends update c --max-connections 0
  leastwise backends update c --no-backup --health-port off

With --json it prints the backend, as PATCH /backends/:id answers.`,
  )
    .argument('<id>', 'of the backend', readId)
    .addOption(weight())
    .addOption(maxConnections())
    .option('--backup', 'use it only where no other backend is usable')
    .option('--no-backup', 'use it like any other')
    .addOption(healthPort())
    .addOption(healthHost())
  return addTlsOptions(command).action(async (id: string, options: AdminOptions & Changes) => {
    const body = changesIn(options)
    if (Object.values(body).every((value) => value === undefined))
      throw new Failure(
        'usage',
        'backends update takes one or more of --weight, --max-connections, --backup, --no-backup, --health-port, --ca, --cert, --key, --servername, --reject-unauthorized and --health-host',
      )
    const updated = await clientOf(options).call('PATCH', pathOf(id), { read: readBackend, body })
    print(options, updated, `updated ${terminalText(updated.id)}: ${limits(updated)}`)
  })
}

function weight(): Option {
  const read = whole(1, MAX_WEIGHT)
  return new Option('--weight <n>', `its share, relative to others, 1 to ${MAX_WEIGHT}`).argParser((text) => {
    if (text !== '0') return read(text)
    throw new InvalidArgumentError(
      `It takes a whole number from 1 to ${MAX_WEIGHT}. A backend that is to get no new request is drained: leastwise backends drain`,
    )
  })
}

function maxConnections(): Option {
  return new Option('--max-connections <n>', 'requests it may hold at a time; 0 for any number').argParser(
    whole(0, MAX_CONNECTIONS),
  )
}

function healthPort(): Option {
  return new Option(
    '--health-port <n>',
    "port that its checks ask, not for a Unix socket; off for the gateway's setting",
  ).argParser(orOff(whole(1, 65_535)))
}

function healthHost(): Option {
  return new Option(
    '--health-host <host>',
    "Host that its checks say; off for the gateway's setting",
  ).argParser(orOff((text: string) => text))
}

/** Returns the values of the options as the admin API takes them; undefined where an option was left out. */
function changesIn(options: Changes) {
  const { weight, maxConnections, backup, healthPort, healthHost } = options
  return {
    weight,
    maxConnections,
    backup,
    healthPort: nullIfOff(healthPort),
    healthHost: nullIfOff(healthHost),
    ...tlsChangesIn(options),
  }
}

function limits({ weight, maxConnections, backup }: BackendView): string {
  const limit = maxConnections === null ? 'no limit' : `at most ${maxConnections} in flight`
  return `weight ${weight}, ${limit}${backup ? ', backup' : ''}`
}
