import { Command, InvalidArgumentError, Option } from 'commander'
import { checkId } from '../balancer/backends/validation.js'
import { DEFAULT_ADMIN_HOST, DEFAULT_ADMIN_PORT } from '../config/admin-listener.js'
import { type AccessOptions, accessOf } from './access.js'
import { AdminClient } from './admin-client.js'
import { terminalJson } from './terminal-text.js'

/** Options of all commands that call a gateway. */
export interface AdminOptions extends AccessOptions {
  json?: boolean
  /** Name of the pool, for commands that apply to one pool. */
  pool?: string
  requestTimeout: number
}

const access = `
Where the admin API is: --url, else LEASTWISE_URL, else ADMIN_HOST and
ADMIN_PORT, else http://${DEFAULT_ADMIN_HOST}:${DEFAULT_ADMIN_PORT}. Its token: --token-file, else
ADMIN_TOKEN. Variables are read from the environment and from .env in this
folder; where .env alone names another machine, only its own token is sent
there. There is no option for the token itself: whoever lists the processes of
this machine (ps) would see it. NODE_EXTRA_CA_CERTS names a file of certificate
authorities to trust besides the public ones.

Exit codes: 0 done; 1 the gateway refused the call; 2 wrong usage; 3 no gateway
responds there, or not in time, or it is no gateway; 4 the output could not be
written. Errors are one line on standard error; with --json
{"exitCode","code","statusCode","message"}, statusCode only where it refused.`

/** Makes a command that calls a gateway. @param more text that is added to the help of the command, mainly examples */
export function adminCommand(name: string, about: string, more: string): Command {
  return new Command(name)
    .description(about)
    .option('--url <url>', 'where the admin API is, with its prefix if it has one')
    .option('--token-file <file>', 'file that holds the token of the admin API, and nothing else')
    .addOption(
      new Option('--request-timeout <ms>', 'how long the gateway may take to respond')
        .argParser(whole(1, MAX_OPTION_MS))
        .default(10_000),
    )
    .option('--json', 'print JSON, for programs')
    .addHelpText('after', `\n${more}\n${access}`)
}

/** Makes a command that applies to one pool of a gateway. */
export function poolCommand(name: string, about: string, more: string): Command {
  return adminCommand(name, about, more).addOption(
    new Option('--pool <name>', 'the pool to act on; default, or the only one, if not given').argParser(
      readPoolName,
    ),
  )
}

export function clientOf(options: AdminOptions): AdminClient {
  return new AdminClient(accessOf(options), options.requestTimeout, options.pool)
}

/** Prints the result of a command: a JSON document for programs, or a text for people. */
export function print({ json }: AdminOptions, document: unknown, text: string): void {
  process.stdout.write(`${json ? terminalJson(document) : text}\n`)
}

/**
 * The largest number of milliseconds that the command line accepts in an option, about eleven days. Every call of the
 * API accepts as many.
 */
export const MAX_OPTION_MS = 999_999_999

/** Returns a function that reads the whole number in an option's text. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    if (/^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text)
    throw new InvalidArgumentError(`It takes a whole number from ${least} to ${most}.`)
  }
}

/** Reads the name of a pool. The names `.` and `..` are refused, because a URL with them would lead to another path. */
function readPoolName(text: string): string {
  if (text !== '' && text !== '.' && text !== '..') return text
  throw new InvalidArgumentError('It takes the name of a pool, as leastwise pools prints it.')
}

/** Reads the id of a backend. Ids such as `..` are refused, because a URL with them would lead to another path. */
export function readId(text: string): string {
  try {
    return checkId(text)
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`)
  }
}
