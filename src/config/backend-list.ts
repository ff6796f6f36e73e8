import type { BackendSpec, HostHeader } from '../balancer/backends/spec.js'
import { Balancer } from '../balancer/balancer.js'
import { BackendExistsError, InvalidBackendError } from '../balancer/errors.js'
import { lenient, nearest } from '../text/nearest.js'

/** One entry of a list is not acceptable. */
export class EntryError extends Error {
  /** Which one it is, from 1, and its text without passwords. */
  readonly entry: string

  constructor(entry: string, why: string) {
    super(why)
    this.entry = entry
  }
}

/** The parameters that may follow a URL, and how each is read. */
const parameters: Record<string, (spec: BackendSpec, value: string) => void> = {
  id: (spec, value) => Object.assign(spec, { id: value }),
  weight: (spec, value) => Object.assign(spec, { weight: whole('weight', value) }),
  maxConnections: (spec, value) => Object.assign(spec, { maxConnections: whole('maxConnections', value) }),
  hostHeader: (spec, value) => Object.assign(spec, { hostHeader: value as HostHeader }),
  backup: (spec, value) => Object.assign(spec, { backup: yesOrNo('backup', value) }),
  healthPort: (spec, value) => Object.assign(spec, { healthPort: whole('healthPort', value) }),
  healthHost: (spec, value) => Object.assign(spec, { healthHost: value }),
}

/**
 * Reads `url;key=value;…,url…`.
 * @throws {EntryError} for the first entry that is not acceptable
 */
export function readBackendList(text: string): BackendSpec[] {
  const entries = text.split(',').map((entry) => entry.trim())
  const refuse = (i: number, why: string) => {
    const shown = masked(entries, i)
    // A reason may repeat what is masked; those of a registry do not.
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

/** The first of some backends that a registry does not take, and why; undefined where it takes them all. */
export function firstRefused(
  backends: readonly (string | BackendSpec)[],
): { index: number; field: string | undefined; why: string } | undefined {
  try {
    new Balancer({ backends }).close()
    return undefined
  } catch {
    // Which one it was is found by taking them one by one.
  }
  const { registry } = new Balancer()
  for (const [index, backend] of backends.entries()) {
    try {
      registry.add(typeof backend === 'string' ? { url: backend } : backend)
    } catch (error) {
      if (error instanceof BackendExistsError)
        return { index, field: undefined, why: 'one before it has that url or id' }
      if (error instanceof InvalidBackendError) return { index, field: error.field, why: error.message }
      throw error
    }
  }
  return undefined
}

function readEntry(entry: string, isLast: boolean): BackendSpec {
  if (entry === '')
    throw new Error(
      isLast ? 'it is empty: there is a comma too many at the end' : 'it is empty: there is a comma too many',
    )
  if (/^["'`]/.test(entry)) throw new Error('it begins with a quotation mark, and those are not taken off')
  if (/^\[\s*(["'{]|[a-z]+:\/\/)/.test(entry)) throw new Error('a list has no brackets here')
  if (/\s/.test(entry)) {
    throw new Error(
      /\s\S*:\/\/|\s\S+:\d/.test(entry)
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
  if (/^[a-z0-9+.-]+:\/\//i.test(pair)) throw new Error('entries are separated by commas, not by semicolons')
  const [key = '', value] = pair.split(/=(.*)/s)
  const read = Object.hasOwn(parameters, key) ? parameters[key] : undefined
  if (!read) {
    const meant = nearest(key, Object.keys(parameters), lenient)
    throw new Error(`"${key}" is not known${meant === undefined ? '' : `: ${meant} was probably meant`}`)
  }
  if (value === undefined) throw new Error(`${key} has no value: ${key}=…`)
  read(spec, value)
}

/** What is to be said of an address without a scheme; undefined where it has one, or is none at all. */
export function missingScheme(url: string): string | undefined {
  if (!/^([\w.-]+|\[[0-9a-f:.]+\])(:\d+)?\/?$/i.test(url)) return undefined
  return `it has no scheme: http://${url} was probably meant`
}

function whole(key: string, value: string): number {
  if (!/^\d+$/.test(value)) throw new Error(`${key} must be a whole number`)
  return Number(value)
}

function yesOrNo(key: string, value: string): boolean {
  if (value !== 'true' && value !== 'false') throw new Error(`${key} must be true or false`)
  return value === 'true'
}

/** An entry without the password of its URL, of which a comma may have made more than one entry. */
function masked(entries: string[], i: number): string {
  const entry = entries[i] as string
  if (entry.includes('@')) return entry.replace(/^(https?:\/\/)?.*@/is, '$1***@')
  for (const next of entries.slice(i + 1)) {
    if (next.includes('://')) break
    if (next.includes('@')) return '***'
  }
  return entry
}
