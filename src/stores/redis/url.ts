import { nearest } from '../../text/nearest.js'

/** A host of a store, and its port. */
export interface StoreHost {
  host: string
  port: number
}

/** Where a store is, and how it is used. */
export interface StoreAddress {
  /** `server` for one server, `sentinel` for one that Sentinels know, `cluster` for Redis Cluster. */
  kind: 'server' | 'sentinel' | 'cluster'
  hosts: StoreHost[]
  tls: boolean
  username: string | undefined
  password: string | undefined
  db: number
  /** Name of the master that Sentinels know. */
  master: string | undefined
  sentinelUsername: string | undefined
  sentinelPassword: string | undefined
  /** 4 or 6 where only addresses of one IP version are used; 0 for both. */
  family: 0 | 4 | 6
  /** What all keys and channels begin with, in braces: `{PREFIX}:`. */
  prefix: string
  /** The URL without user, password and options, for people. */
  displayed: string
}

/** What all keys begin with, in braces, unless something else is asked for. */
export const DEFAULT_PREFIX = 'leastwise'

const options = ['prefix', 'sentinel', 'cluster', 'sentinelUsername', 'sentinelPassword', 'family']
const form =
  'must be redis://[USER:PASSWORD@]HOST[:PORT][,HOST...][/DATABASE][?OPTION=VALUE], or rediss:// with TLS'

/**
 * Reads the URL of a store. Several hosts, separated by commas, are Sentinels (`?sentinel=MASTER`) or nodes of a cluster
 * (`?cluster=true`).
 * @throws {Error} where it is not valid. Messages never have a part of it that may be a secret.
 */
export function parseStoreUrl(url: string): StoreAddress {
  const parts = /^(rediss?):\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(url)
  if (!parts) throw new Error(form)
  const [, protocol = '', credentials, hostList = '', path = '', query = ''] = parts
  const given = readQuery(query)
  const kind = kindOf(given)
  const hosts = hostList.split(',').map((host) => readHost(host, kind === 'sentinel' ? 26379 : 6379))
  if (kind === 'server' && hosts.length > 1) {
    throw new Error('has several hosts: add ?sentinel=MASTER where they are Sentinels, or ?cluster=true')
  }
  const db = readDatabase(path)
  if (db > 0 && kind === 'cluster') throw new Error('must have no database: a cluster has database 0 only')
  return {
    kind,
    hosts,
    tls: protocol.toLowerCase() === 'rediss',
    ...readCredentials(credentials),
    db,
    master: given.get('sentinel'),
    sentinelUsername: given.get('sentinelUsername'),
    sentinelPassword: given.get('sentinelPassword'),
    family: readFamily(given.get('family')),
    prefix: checkPrefix(given.get('prefix') ?? DEFAULT_PREFIX),
    displayed: `${protocol.toLowerCase()}://${hosts.map(displayHost).join(',')}${db > 0 ? `/${db}` : ''}`,
  }
}

/**
 * Checks the prefix of the keys, which is put into braces.
 * @throws {Error}
 */
export function checkPrefix(prefix: string): string {
  if (/^[^{}\s]{1,100}$/.test(prefix)) return prefix
  throw new Error('must have a prefix of 1 to 100 characters without braces and spaces')
}

/** Writes a host and its port as in a URL. */
export function displayHost({ host, port }: StoreHost): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function readQuery(query: string): Map<string, string> {
  const given = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (!options.includes(name)) {
      const meant = nearest(name, options, (length) => Math.ceil(length / 4))
      const hint = meant === undefined ? `known are ${options.join(', ')}` : `did you mean "${meant}"?`
      throw new Error(`has an unknown option ${JSON.stringify(name.slice(0, 40))}; ${hint}`)
    }
    if (given.has(name)) throw new Error(`has the option "${name}" twice`)
    if (value === '') throw new Error(`has an option "${name}" without a value`)
    given.set(name, value)
  }
  return given
}

function kindOf(given: ReadonlyMap<string, string>): StoreAddress['kind'] {
  const cluster = given.get('cluster') ?? 'false'
  if (cluster !== 'true' && cluster !== 'false') throw new Error('takes true or false for "cluster"')
  if (given.has('sentinel')) {
    if (cluster === 'false') return 'sentinel'
    throw new Error('has both "sentinel" and "cluster"')
  }
  if (given.has('sentinelUsername') || given.has('sentinelPassword')) {
    throw new Error('has a user or password for Sentinels, and no "sentinel"')
  }
  return cluster === 'true' ? 'cluster' : 'server'
}

function readHost(text: string, defaultPort: number): StoreHost {
  const [, v6, name, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = v6 ?? name
  if (host === undefined) throw new Error('has a host that is not HOST, HOST:PORT or [IPV6]:PORT')
  const number = port === undefined ? defaultPort : Number(port)
  if (number < 1 || number > 65_535) throw new Error('has a port that is not 1 to 65535')
  return { host, port: number }
}

function readDatabase(path: string): number {
  if (path === '') return 0
  if (/^\d{1,5}$/.test(path)) return Number(path)
  throw new Error('has a database that is not a number')
}

function readFamily(text = '0'): 0 | 4 | 6 {
  const family = Number(text)
  if (family === 0 || family === 4 || family === 6) return family
  throw new Error('takes 4, 6 or 0 (both) for "family"')
}

function readCredentials(text: string | undefined): Pick<StoreAddress, 'username' | 'password'> {
  if (text === undefined) return { username: undefined, password: undefined }
  const colon = text.indexOf(':')
  if (colon === -1) {
    throw new Error('has one word before the @; a password alone is written redis://:PASSWORD@HOST')
  }
  return { username: decoded(text.slice(0, colon)) || undefined, password: decoded(text.slice(colon + 1)) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('has a user or password with a % that is not followed by two hexadecimal digits')
  }
}
