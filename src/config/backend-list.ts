import type { BackendSpec, HostHeader } from '../balancer/backends/spec.js'
import { Balancer } from '../balancer/balancer.js'
import { BackendExistsError, InvalidBackendError } from '../balancer/errors.js'
import type { BalancerOptions } from '../balancer/options.js'
import { lenient, nearest } from '../text/nearest.js'

/** The error for an entry of a list of backends that is not acceptable. The message says why. */
export class EntryError extends Error {
  /** Number of the entry in the list, counted from 1, and its text with passwords hidden, for messages. */
  readonly entry: string

  constructor(entry: string, why: string) {
    super(why)
    this.entry = entry
  }
}

type Parameter = Exclude<keyof BackendSpec, 'url'>

/** Converts the value of each parameter that may follow a URL. The registry checks the values later. */
const parameters: { [P in Parameter]: (value: string) => BackendSpec[P] } = {
  id: (value) => value,
  weight: (value) => integerOf('weight', value),
  maxConnections: (value) => integerOf('maxConnections', value),
  hostHeader: (value) => value as HostHeader,
  backup: (value) => booleanOf('backup', value),
  healthPort: (value) => integerOf('healthPort', value),
  healthHost: (value) => value,
  ca: (value) => value,
  cert: (value) => value,
  key: (value) => value,
  servername: (value) => value,
  rejectUnauthorized: (value) => booleanOf('rejectUnauthorized', value),
}

function isParameter(name: string): name is Parameter {
  return Object.hasOwn(parameters, name)
}

/**
 * Parses a list of backends of the form `url;parameter=value;…,url;…`.
 * @throws {EntryError} for the first entry that is not acceptable
 */
export function readBackendList(text: string): BackendSpec[] {
  const entries = text.split(',').map((entry) => entry.trim())
  const refuse = (i: number, why: string) => {
    const shown = withoutPassword(entries, i)
    // Reasons from this file may repeat a password. Reasons from the registry, which begin with `url`, never do.
    const reason = shown === entries[i] || why.startsWith('url ') ? why : 'it is not understood'
    return new EntryError(`entry ${i + 1} of ${entries.length}, ${JSON.stringify(shown)}`, reason)
  }
  const specs = entries.map((entry, i) => {
    try {
      return readEntry(entry, i === entries.length - 1)
    } catch (error) {
      throw refuse(i, (error as Error).message)
    }
  })
  const found = firstRefused(specs)
  if (found) throw refuse(found.index, found.why)
  return specs
}

/** A backend that the registry refuses: its place in the list, the field that is wrong, and the reason. */
export interface RefusedBackend {
  index: number
  field: string | undefined
  why: string
}

/**
 * Finds the first backend that the registry refuses.
 * @param verifyTls checks the files that a backend names; by default they are not looked at
 * @returns undefined if the registry accepts all backends
 */
export function firstRefused(
  backends: readonly (string | BackendSpec)[],
  verifyTls?: BalancerOptions['verifyTls'],
): RefusedBackend | undefined {
  return refusedBackends(backends, verifyTls, 1)[0]
}

/** Adds backends to a temporary registry, to find those that it refuses. @param limit how many are looked for */
export function refusedBackends(
  backends: readonly (string | BackendSpec)[],
  verifyTls?: BalancerOptions['verifyTls'],
  limit = Number.POSITIVE_INFINITY,
): RefusedBackend[] {
  try {
    new Balancer({ backends, verifyTls }).close()
    return []
  } catch {
    // The error does not say which backend is wrong, so the backends are added one by one below.
  }
  const refused: RefusedBackend[] = []
  const { registry } = new Balancer({ verifyTls })
  for (const [index, backend] of backends.entries()) {
    if (refused.length >= limit) break
    try {
      registry.add(typeof backend === 'string' ? { url: backend } : backend)
    } catch (error) {
      if (error instanceof BackendExistsError)
        refused.push({ index, field: undefined, why: 'one before it has that url or id' })
      else if (error instanceof InvalidBackendError)
        refused.push({ index, field: error.field, why: error.message })
      else throw error
    }
  }
  return refused
}

function readEntry(entry: string, isLast: boolean): BackendSpec {
  if (entry === '')
    throw new Error(
      isLast ? 'it is empty: there is a comma too many at the end' : 'it is empty: there is a comma too many',
    )
  if (/^["'`]/.test(entry)) throw new Error('it begins with a quotation mark, and those are not taken off')
  if (/^\[\s*(["'{]|[a-z]+:\/)/.test(entry)) throw new Error('a list has no brackets here')
  if (/\s/.test(entry)) {
    throw new Error(
      /\s\S*:[/@]|\s\S+:\d/.test(entry)
        ? 'entries are separated by commas, not by blanks or new lines'
        : 'it has a blank or a new line in it',
    )
  }
  const [url = '', ...pairs] = entry.split(';')
  const advice = missingScheme(url)
  if (advice !== undefined) throw new Error(advice)
  const spec: BackendSpec = { url }
  for (const pair of pairs) readPair(spec, pair)
  return spec
}

function readPair(spec: BackendSpec, pair: string): void {
  if (pair === '') throw new Error('there is a semicolon too many')
  if (/^([a-z0-9+.-]+:\/\/|unix:)/i.test(pair))
    throw new Error('entries are separated by commas, not by semicolons')
  const [key = '', value] = pair.split(/=(.*)/s)
  if (!isParameter(key)) {
    const meant = nearest(key, Object.keys(parameters), lenient)
    throw new Error(`"${key}" is not known${meant === undefined ? '' : `: ${meant} was probably meant`}`)
  }
  if (value === undefined) throw new Error(`${key} has no value: ${key}=…`)
  Object.assign(spec, { [key]: parameters[key](value) })
}

/** Returns advice for a URL that lacks only its scheme, like `10.0.0.1:8080` or `/run/app.sock`; undefined for others. */
export function missingScheme(url: string): string | undefined {
  if (/^\/[^/?#]/.test(url)) return `it has no scheme: unix:${url} was probably meant`
  if (!/^([\w.-]+|\[[0-9a-f:.]+\])(:\d+)?\/?$/i.test(url)) return undefined
  return `it has no scheme: http://${url} was probably meant`
}

function integerOf(name: Parameter, value: string): number {
  if (!/^\d+$/.test(value)) throw new Error(`${name} must be a whole number`)
  return Number(value)
}

function booleanOf(name: Parameter, value: string): boolean {
  if (value !== 'true' && value !== 'false') throw new Error(`${name} must be true or false`)
  return value === 'true'
}

/**
 * Returns the text of an entry with passwords hidden, for messages. A comma in a password splits the URL into several
 * entries, so an entry is hidden completely if the `@` of its URL is in a later entry.
 */
function withoutPassword(entries: string[], i: number): string {
  const entry = entries[i] as string
  // The URL of a Unix socket has no password, and may have an `@`.
  if (/^unix:[/@]/i.test(entry)) return entry
  if (entry.includes('@')) return entry.replace(/^(https?:\/\/)?.*@/is, '$1***@')
  for (const next of entries.slice(i + 1)) {
    if (next.includes('://')) break
    if (next.includes('@')) return '***'
  }
  return entry
}
