import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { Peer } from '../../http/peer.js'
import type { Trust } from '../../http/trust.js'

/** A set of names of fields. */
export type Names = Pick<ReadonlySet<string>, 'has'>

/** A request as a peer sent it, together with the fields that hooks of the app have set since. */
export interface ReceivedRequest {
  raw: IncomingMessage
  headers: IncomingHttpHeaders
  /** Names of fields that the peer sent without being trusted to send them; undefined where there are none. */
  untrusted: Names | undefined
  /** The other end of the request's connection. */
  peer: Peer
}

export function receivedFrom(request: FastifyRequest, peer: Peer): ReceivedRequest {
  const { raw, headers } = request
  // Fastify stores fields that an app sets by `request.headers = …` separately, in a property that is missing in its
  // types.
  const { additionalHeaders } = request as { additionalHeaders?: object }
  return { raw, headers, untrusted: untrustedFields(raw.headers, additionalHeaders), peer }
}

/** A request that no route of a pool has handled, so no hook has set fields of it. */
export function receivedUnrouted(raw: IncomingMessage, peer: Peer, trust: Trust): ReceivedRequest {
  return { raw, headers: raw.headers, untrusted: trust(peer, []) === 0 ? everyName : undefined, peer }
}

/** The value of a field that a trusted proxy or a hook of the app has set; undefined where neither has. */
export function trustedField({ headers, untrusted }: ReceivedRequest, name: string): string | undefined {
  const value = headers[name]
  return value === undefined || untrusted?.has(name) ? undefined : String(value)
}

/** Whether the value of a field differs from the one that the peer has sent. */
export function isReplaced({ raw, headers }: ReceivedRequest, name: string): boolean {
  const { rawHeaders } = raw
  const lines: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const line = rawHeaders[i] as string
    if (line.length === name.length && line.toLowerCase() === name) lines.push(rawHeaders[i + 1] as string)
  }
  return String(headers[name]) !== lines.join(', ')
}

const everyName: Names = { has: () => true }

/** For the fields object of each request: the names of the fields that its peer is not trusted to send. */
const marked = new WeakMap<IncomingHttpHeaders, Names>()

/** Names of fields that have a setter. The setter notices a hook that sets a field, even to the same value. */
class WatchedNames extends Set<string> {}

/**
 * Marks fields as sent by a peer that is not trusted to send them. Hooks can still read them.
 * @param isWatched whether hooks may set some of the fields; a field that a hook has set is not marked any more
 */
export function markUntrusted(
  headers: IncomingHttpHeaders,
  names: readonly string[],
  isWatched: boolean,
): void {
  if (isWatched) for (const name of names) watch(headers, name)
  marked.set(headers, isWatched ? new WatchedNames(names) : new Set(names))
}

/** Takes the mark off a field whose value is not the peer's any more, also where hooks are not watched. */
export function markTrusted(headers: IncomingHttpHeaders, name: string): void {
  const names = marked.get(headers)
  if (names instanceof Set) names.delete(name)
}

/** Marks all fields of a request that will be refused. */
export function markAllUntrusted(headers: IncomingHttpHeaders): void {
  marked.set(headers, everyName)
}

/** Gives a field a setter, which replaces itself with the value that is set. */
function watch(headers: IncomingHttpHeaders, name: string): void {
  const value = headers[name]
  Object.defineProperty(headers, name, {
    enumerable: true,
    configurable: true,
    get: () => value,
    set(own: unknown) {
      Object.defineProperty(headers, name, {
        enumerable: true,
        configurable: true,
        writable: true,
        value: own,
      })
    },
  })
}

/**
 * The marked fields that no hook has set since; undefined where none was marked, as with most requests.
 * @param added fields that the app has set and Fastify keeps separately
 */
function untrustedFields(headers: IncomingHttpHeaders, added: object | undefined): Names | undefined {
  const names = marked.get(headers)
  if (!(names instanceof WatchedNames)) return names
  for (const name of names) {
    const isSet = Object.getOwnPropertyDescriptor(headers, name)?.get === undefined
    if (isSet || (added && Object.hasOwn(added, name))) names.delete(name)
  }
  return names
}
