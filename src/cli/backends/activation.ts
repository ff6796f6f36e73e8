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
import { readBackend } from '../responses.js'
import { terminalText } from '../terminal-text.js'
import { pathOf } from './path.js'
import { untilNextPoll } from './poll.js'

/** Default of `--timeout`, which limits how long `--wait` waits, in milliseconds. */
const DEFAULT_WAIT_MS = 60_000

/** Makes the command `leastwise backends activate`. */
export function activate(): Command {
  return poolCommand(
    'activate',
    'give a backend requests again: ends a drain, a pending removal or an ejection',
    `Examples:
  leastwise backends activate c
  ssh c systemctl restart app && leastwise backends activate c --wait

With --wait a drained backend gets no request before it has passed a health
check that was made after the command began, and is healthy. If it does not
within --timeout, it stays as it is, and the exit code is 1. A backend without
health checks is activated at once. With --json it prints the backend, as
POST /backends/:id/activate answers.`,
  )
    .argument('<id>', 'of the backend', readId)
    .option('--wait', 'activate it only once it has passed a health check')
    .addOption(
      new Option('--timeout <ms>', 'how long it waits; implies --wait')
        .argParser(whole(0, MAX_OPTION_MS))
        .implies({ wait: true })
        .default(DEFAULT_WAIT_MS),
    )
    .action(async (id: string, options: AdminOptions & { wait?: boolean; timeout: number }) => {
      const client = clientOf(options)
      const isChecked = !options.wait || (await passesCheck(client, id, options.timeout))
      const active = await client.call('POST', `${pathOf(id)}/activate`, { read: readBackend, body: {} })
      const note = isChecked ? '' : ', without a wait: it has no health checks'
      print(options, active, `activated ${terminalText(active.id)}${note}`)
    })
}

/**
 * Waits until a backend is not unhealthy and has passed a health check that is newer than its last one at the time of
 * this call.
 * @returns true once the backend has passed a check; false if the gateway has not checked it, as without health checks
 * @throws {Failure} after `timeout` milliseconds
 */
async function passesCheck(client: AdminClient, id: string, timeout: number): Promise<boolean> {
  const look = () => client.call('GET', pathOf(id), { read: readBackend })
  const before = (await look()).lastCheck
  if (!before) return false
  const giveUpAt = performance.now() + timeout
  for (;;) {
    const now = await look()
    if (hasPassedSince(before.at, now)) return true
    if (performance.now() >= giveUpAt) {
      const text = `${id} is not activated: it did not pass a health check within ${timeout} ms (${detailOf(now)})`
      throw new Failure('refused', text, 'LEASTWISE_NOT_HEALTHY')
    }
    await untilNextPoll()
  }
}

function hasPassedSince(at: string, { lastCheck, health }: BackendView): boolean {
  return lastCheck?.passed === true && lastCheck.at !== at && health !== 'unhealthy'
}

function detailOf({ health, lastCheck }: BackendView): string {
  return `health: ${health}, last check: ${lastCheck?.detail ?? 'none'}`
}
