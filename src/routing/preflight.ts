import type { IncomingHttpHeaders } from 'node:http'
import type { Candidate } from './candidates.js'
import type { RequestValues } from './request-values.js'

/** What a browser asks for in a preflight of CORS, before it sends the request itself. Fetch standard, section 3.3. */
export interface Preflight {
  method: string
  /** Names in lower case. */
  headers: ReadonlySet<string>
}

/** What a request asks for if it is a preflight. */
export function preflightOf(method: string, headers: IncomingHttpHeaders): Preflight | undefined {
  if (method !== 'OPTIONS') return undefined
  const asked = headers['access-control-request-method']
  if (asked === undefined || headers.origin === undefined) return undefined
  const names = headers['access-control-request-headers'] ?? ''
  return {
    method: asked,
    headers: new Set(names.split(',').map((name) => name.trim().toLowerCase())),
  }
}

/**
 * Whether a route with `cors` is the one for which a preflight asks. The preflight does not tell values of header fields
 * but names those that will come, so each that the route asks for has to be among them.
 */
export function answersPreflight(
  { methods, conditions }: Candidate,
  request: RequestValues,
  preflight: Preflight,
): boolean {
  if (methods && !methods.includes(preflight.method)) return false
  return conditions.every(({ kind, name, value }) =>
    kind === 'header' && preflight.headers.has(name) ? true : request.valueOf(kind, name) === value,
  )
}

/** Of candidates with the same methods, names of header fields and query parameters only the first, as no preflight tells them apart. */
export function distinctForPreflight(candidates: readonly Candidate[]): Candidate[] {
  const seen = new Set<string>()
  return candidates.filter(({ methods, conditions }) => {
    const asked = conditions.map(({ kind, name, value }) => (kind === 'header' ? [name] : [name, value]))
    const key = JSON.stringify([methods ?? null, asked])
    return !seen.has(key) && seen.add(key)
  })
}
