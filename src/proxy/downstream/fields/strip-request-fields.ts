import type { IncomingMessage } from 'node:http'
import type { UnderscoreHeaders } from '../../http/fields.js'
import { isPlain, nominatedBy } from '../../http/hop-by-hop.js'
import { peerOf } from '../../http/peer.js'
import type { Trust } from '../../http/trust.js'
import { type FieldCounter, hasTooManyFields } from './field-limits.js'
import { OURS } from './own-fields.js'
import { guardEverything, guardFields, isToldByProxies } from './untrusted-fields.js'

export interface StripOptions {
  trust: Trust
  underscoreHeaders: UnderscoreHeaders
  /** Whether hooks of the app may set fields. */
  isWatched: () => boolean
  /** The server that the request came to. */
  server: FieldCounter
}

/** Whether a field stays though Connection names it: it frames the body, or is written anew for the backend. */
const notNominated = (name: string) => OURS.has(name) || isToldByProxies(name) || FRAMING.has(name)
const FRAMING = new Set(['content-length', 'max-forwards', 'trailer'])

/**
 * Removes the fields of a request that its client may not send to a backend: those that Connection names, those with an
 * underscore, and `Proxy`, which CGI makes the variable HTTP_PROXY of. Fields that only a trusted proxy may send stay, for
 * hooks to read, and are marked. This has to be done before any hook of the app runs, so that what a hook sets is kept. A
 * request that will be refused for its many fields is left as it came.
 */
export function stripRequestFields(raw: IncomingMessage, options: StripOptions): void {
  // A socket forgets its address when it is closed.
  const peer = peerOf(raw.socket)
  if (hasTooManyFields(raw, options.server)) {
    guardEverything(raw.headers)
    return
  }
  const { headers } = raw
  const { connection } = headers
  let told: string[] | undefined
  let taken: Set<string> | undefined
  for (const name in headers) {
    if (name.includes('_') ? isLeftOut(name, options) : name === 'proxy')
      taken = (taken ?? new Set()).add(name)
    else if (isToldByProxies(name)) told = [...(told ?? []), name]
  }
  if (!isPlain(connection)) {
    for (const name of nominatedBy(connection) ?? []) {
      if (Object.hasOwn(headers, name) && !notNominated(name)) taken = (taken ?? new Set()).add(name)
    }
  }
  if (taken) remove(raw, taken)
  if (told && options.trust(peer, []) === 0) guardFields(headers, told, options.isWatched())
}

/** Whether a field with an underscore is removed. CGI and WSGI give it the same name as the one with a hyphen. */
function isLeftOut(name: string, { underscoreHeaders }: StripOptions): boolean {
  if (underscoreHeaders === 'drop') return true
  const folded = name.replaceAll('_', '-')
  return OURS.has(folded) || isToldByProxies(folded)
}

function remove(raw: IncomingMessage, names: ReadonlySet<string>): void {
  const { headers, rawHeaders } = raw
  // Node makes this object of rawHeaders when it is first asked for, and by their number at the start: so first of all.
  const distinct = 'stream' in raw ? {} : raw.headersDistinct
  for (const name of names) {
    delete headers[name]
    delete distinct[name]
  }
  let kept = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (names.has(name.toLowerCase())) continue
    rawHeaders[kept++] = name
    rawHeaders[kept++] = rawHeaders[i + 1] as string
  }
  rawHeaders.length = kept
}
