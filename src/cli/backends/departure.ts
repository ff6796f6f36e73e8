import { type Command, Option } from 'commander'
import type { BackendView } from '../../balancer/index.js'
import type { AdminClient } from '../admin-client.js'
import {
  type AdminOptions,
  clientOf,
  MAX_OPTION_MS,
  poolCommand,
  print,
  readId,
  whole,
} from '../admin-command.js'
import { Failure } from '../failure.js'
import { readBackend, readLeaving, readNothing } from '../responses.js'
import { terminalText } from '../terminal-text.js'
import { refuseLastUsable } from './last-usable.js'
import { pathOf } from './path.js'
import { untilNextPoll } from './poll.js'

/** Makes the command `leastwise backends drain`. */
export function drain(): Command {
  return poolCommand(
    'drain',
    'give a backend no new requests; those in flight finish, or are cut at the deadline',
    `Examples:
  leastwise backends drain c
  leastwise backends drain c --timeout 5000 --wait && ssh c systemctl stop app

The last usable backend is drained with --force only: without it clients are
answered 503. With --wait it exits with 1 if somebody activates the backend
meanwhile. With --json it prints the backend, as POST /backends/:id/drain
responds; with --wait, as it is when it is drained.`,
  )
    .argument('<id>', 'of the backend', readId)
    .addOption(timeout())
    .option('--wait', 'return once it holds no request any more')
    .option('--force', 'also if no other backend is usable')
    .action(
      async (id: string, options: AdminOptions & { timeout?: number; wait?: boolean; force?: boolean }) => {
        const client = clientOf(options)
        if (!options.force) await refuseLastUsable(client, id, '--force drains it all the same')
        const body = { timeout: options.timeout }
        const draining = await client.call('POST', `${pathOf(id)}/drain`, { read: readLeaving, body })
        if (!options.force) warn(options, draining)
        const now = options.wait ? await drained(client, draining) : draining
        print(options, now, now.inFlight > 0 ? `draining ${busy(now)}` : `drained ${terminalText(now.id)}`)
      },
    )
}

/** Makes the command `leastwise backends remove`. */
export function remove(): Command {
  return poolCommand(
    'remove',
    'drain a backend, then remove it; until it is removed, activate takes that back',
    `Examples:
  leastwise backends remove c
  leastwise backends remove c --timeout 5000
  leastwise backends remove c --force

The last usable backend is not removed: without it clients are answered 503.
drain --force and then remove lets its requests finish, remove --force cuts
them. With --json it prints the backend, as DELETE /backends/:id answers; with
--force, {"id":…}.`,
  )
    .argument('<id>', 'of the backend', readId)
    .addOption(timeout())
    .addOption(
      new Option('--force', 'cut its requests, and remove it at once, also if no other is usable').conflicts(
        'timeout',
      ),
    )
    .action(async (id: string, options: AdminOptions & { timeout?: number; force?: boolean }) => {
      const client = clientOf(options)
      if (options.force) {
        await client.call('DELETE', `${pathOf(id)}?force=true`, { read: readNothing })
        return print(options, { id }, `removed ${id}`)
      }
      await refuseLastUsable(
        client,
        id,
        'drain --force and then remove lets its requests finish, remove --force cuts them',
      )
      const query = options.timeout === undefined ? '' : `?timeout=${options.timeout}`
      const left = await client.call('DELETE', pathOf(id) + query, { read: readLeaving })
      warn(options, left)
      print(options, left, left.inFlight > 0 ? `removing ${busy(left)}` : `removed ${terminalText(left.id)}`)
    })
}

/** Waits until a draining backend has no request in flight, and returns its last state. */
async function drained(client: AdminClient, draining: BackendView): Promise<BackendView> {
  let now = draining
  while (now.state === 'draining' && now.inFlight > 0) {
    await untilNextPoll()
    try {
      now = await client.call('GET', pathOf(draining.id), { read: readBackend })
    } catch (error) {
      // Somebody else has removed the backend, which is what operators usually drain a backend for.
      if (error instanceof Failure && error.statusCode === 404) return { ...now, inFlight: 0 }
      throw error
    }
  }
  if (now.state === 'draining') return now
  throw new Failure('refused', `${draining.id} was activated before it was drained`, 'LEASTWISE_NOT_DRAINED')
}

function timeout(): Option {
  return new Option(
    '--timeout <ms>',
    'when requests that are still in flight are cut, instead of DRAIN_TIMEOUT of the gateway',
  ).argParser(whole(0, MAX_OPTION_MS))
}

/**
 * Prints the warning of a response, if there is one. The other backends may have become unusable between the check
 * before the call and the call itself. With `--json` nothing is printed here, because the printed response contains the
 * warning.
 */
function warn({ json }: AdminOptions, { warning }: { warning?: string }): void {
  if (warning !== undefined && !json) process.stderr.write(`leastwise: warning: ${terminalText(warning)}\n`)
}

function busy(backend: BackendView): string {
  return `${terminalText(backend.id)}: ${backend.inFlight} in flight`
}
