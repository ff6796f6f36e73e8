import { readFileSync } from 'node:fs'
import { MAX_PORT } from '../balancer/backends/spec.js'
import { DEFAULT_ADMIN_HOST, DEFAULT_ADMIN_PORT, TOKEN_PATTERN } from '../config/admin-listener.js'
import { EnvFileError, readEnvFile } from '../config/env-file.js'
import { isLoopback } from '../proxy/http/loopback.js'
import { Failure } from './failure.js'

/** Address of the admin API, and the token for it. */
export interface Access {
  /** URL of the admin API, without a slash at its end. */
  url: string
  token: string | undefined
}

export interface AccessOptions {
  url?: string
  tokenFile?: string
}

/**
 * Returns the address and the token that the options name. If the options name none, the environment and `.env` apply,
 * as they do for the gateway. Anybody may have written the `.env` file, so an address in it is refused for a token that
 * does not come from that file, unless the address is this machine.
 * @throws {Failure} for wrong usage
 */
export function accessOf(options: AccessOptions): Access {
  const file = envFile()
  const env: Record<string, string | undefined> = { ...file, ...process.env }
  const access = { url: urlOf(options, env), token: tokenOf(options, env) }
  const own = options.tokenFile !== undefined || process.env.ADMIN_TOKEN
  const isFromFile = options.url === undefined && access.url !== urlOf(options, process.env)
  if (own && isFromFile && !isThisMachine(access.url)) {
    throw new Failure(
      'usage',
      `.env in this folder says that the admin API is ${access.url}; a token from elsewhere goes there with --url only`,
    )
  }
  return access
}

function isThisMachine(url: string): boolean {
  return isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, ''))
}

function envFile(): Record<string, string> {
  try {
    return readEnvFile().variables
  } catch (error) {
    if (error instanceof EnvFileError) throw new Failure('usage', error.message)
    throw error
  }
}

function urlOf(options: AccessOptions, env: Record<string, string | undefined>): string {
  if (options.url !== undefined) return checkUrl('--url', options.url)
  if (env.LEASTWISE_URL) return checkUrl('LEASTWISE_URL', env.LEASTWISE_URL)
  const port = env.ADMIN_PORT || String(DEFAULT_ADMIN_PORT)
  if (port === 'off') throw new Failure('usage', 'ADMIN_PORT is off; --url says where another admin API is')
  if (port === '0')
    throw new Failure('usage', 'ADMIN_PORT is 0, for any free one; --url says which one it became')
  if (!/^\d+$/.test(port) || Number(port) > MAX_PORT)
    throw new Failure(
      'usage',
      `ADMIN_PORT does not accept "${port}": it takes a whole number up to ${MAX_PORT}`,
    )
  return checkUrl('ADMIN_HOST', `http://${reachable(env.ADMIN_HOST || DEFAULT_ADMIN_HOST)}:${port}`)
}

/** Returns the host at which a gateway that listens on `host` can be reached. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (/^[0:]+$/.test(host)) return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

function checkUrl(name: string, text: string): string {
  const refuse = (why: string) => new Failure('usage', `${name} does not accept "${text}": ${why}`)
  if (!/^https?:\/\//i.test(text)) throw refuse('it must start with http:// or https://')
  if (!URL.canParse(text)) throw refuse('it is not a URL')
  const { origin, pathname, username, password, search, hash } = new URL(text)
  // Credentials in the URL are refused, because a token in an argument is visible in the list of processes.
  if (username || password) throw refuse('a token goes into ADMIN_TOKEN or --token-file')
  if (search || hash) throw refuse('it takes scheme, host, port and a prefix, and nothing else')
  return origin + pathname.replace(/\/+$/, '')
}

function tokenOf({ tokenFile }: AccessOptions, env: Record<string, string | undefined>): string | undefined {
  if (tokenFile === undefined) return checkToken('ADMIN_TOKEN', env.ADMIN_TOKEN || undefined)
  let text: string
  try {
    text = readFileSync(tokenFile, 'utf8')
  } catch (error) {
    throw new Failure('usage', `--token-file "${tokenFile}" cannot be read: ${(error as Error).message}`)
  }
  return checkToken(`--token-file "${tokenFile}"`, text.trim())
}

function checkToken(name: string, token: string | undefined): string | undefined {
  if (token === undefined || TOKEN_PATTERN.test(token)) return token
  throw new Failure('usage', `${name} has no token: that is printable ASCII without blanks`)
}
