import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import {
  addressOf,
  type ForwardedElement,
  formatForwarded,
  formatNode,
  parseForwarded,
} from '../../http/forwarded-field.js'
import type { Peer } from '../../http/peer.js'
import type { Trust } from '../../http/trust.js'
import { everyName, type Names, untrustedFields } from './untrusted-fields.js'

/** A request as it came from a peer, which may have forwarded it. */
export interface Arrived {
  raw: IncomingMessage
  /** Its fields, with what the app has set. */
  headers: IncomingHttpHeaders
  /** Those of its fields that a client sent which is not trusted to; undefined for none. */
  untrusted: Names | undefined
  peer: Peer
}

/** @param peer who is at the other end of its connection */
export function arrivedFrom(request: FastifyRequest, peer: Peer): Arrived {
  const { raw, headers } = request
  // Fastify keeps what was set by `request.headers = …` apart, and does not tell.
  const { additionalHeaders } = request as { additionalHeaders?: object }
  return { raw, headers, untrusted: untrustedFields(raw.headers, additionalHeaders), peer }
}

/** A request that no route of a pool has handled, with its fields as they came. */
export function arrivedAs(raw: IncomingMessage, peer: Peer, trust: Trust): Arrived {
  return { raw, headers: raw.headers, untrusted: trust(peer, []) === 0 ? everyName : undefined, peer }
}

/** What a backend is told of where a request came from: the same in X-Forwarded-* and in Forwarded. */
export interface Origin {
  for: string
  proto: string
  /** Undefined where the request names none. */
  host: string | undefined
  forwarded: string
}

/** What trusted proxies and the app say of where a request came from. */
interface Said {
  for: string | undefined
  proto: string | undefined
  host: string | undefined
  forwarded: string | undefined
  /** The elements of Forwarded. */
  elements: readonly ForwardedElement[]
  /** The nodes that the request passed before the peer, the nearest last. */
  chain: readonly string[]
  /** How many nodes, from the end of the chain, were named by a proxy that is trusted. */
  believed: number
  /** Whether the app has set the chain, to which the peer is not added then. */
  isWhole: boolean
  /** Whether the app has set Forwarded. */
  isForwardedSet: boolean
}

type Truth = Pick<Origin, 'proto' | 'host'>

/** @param namedHost the host that the request names */
export function originOf(arrived: Arrived, trust: Trust, namedHost: string | undefined): Origin {
  const { peer, raw } = arrived
  const address = peer.address ?? 'unknown'
  const ownProto = (raw.socket as TLSSocket).encrypted ? 'https' : 'http'
  if (!isForwarded(arrived)) {
    const own = { proto: ownProto, host: namedHost }
    return { for: address, proto: ownProto, host: namedHost, forwarded: formatForwarded(peer.node, own) }
  }
  const said = saidOf(arrived, trust)
  const proto = truthIn(said, 'proto') ?? ownProto
  const host = truthIn(said, 'host') ?? namedHost
  const chain = said.isWhole ? said.chain : [...said.chain, address]
  return { for: chain.join(', '), proto, host, forwarded: forwardedOf(said, peer, { proto, host }) }
}

/** The address of who sent the request, as far as those who say so are trusted; undefined where it has none. */
export function clientAddressOf(arrived: Arrived, trust: Trust): string | undefined {
  if (isForwarded(arrived)) {
    const { chain, believed } = saidOf(arrived, trust)
    for (const node of chain.slice(chain.length - believed)) {
      const address = addressOf(node)
      if (address !== undefined) return address
    }
  }
  return arrived.peer.address
}

function isForwarded({ headers, untrusted }: Arrived): boolean {
  return (
    (headers['x-forwarded-for'] !== undefined && !untrusted?.has('x-forwarded-for')) ||
    (headers['x-forwarded-proto'] !== undefined && !untrusted?.has('x-forwarded-proto')) ||
    (headers['x-forwarded-host'] !== undefined && !untrusted?.has('x-forwarded-host')) ||
    (headers.forwarded !== undefined && !untrusted?.has('forwarded'))
  )
}

function saidOf(arrived: Arrived, trust: Trust): Said {
  const given = (name: string) => givenIn(arrived, name)
  const nodes = given('x-forwarded-for')
  const forwarded = given('forwarded')
  const elements = (forwarded !== undefined && parseForwarded(forwarded)) || []
  const chain =
    nodes !== undefined
      ? listOf(nodes)
      : elements.map((element) => (element.for && addressOf(element.for)) ?? 'unknown')
  const nearestFirst = chain.map((node) => addressOf(node) ?? node).reverse()
  const trusted = trust(arrived.peer, nearestFirst)
  // What a peer that is not trusted has sent is left out: all that is given was set by the app.
  const isSet = (name: string) => given(name) !== undefined && (trusted === 0 || isReplaced(arrived, name))
  const isWhole = chain.length > 0 && isSet(nodes === undefined ? 'forwarded' : 'x-forwarded-for')
  return {
    for: nodes,
    proto: given('x-forwarded-proto'),
    host: given('x-forwarded-host'),
    forwarded,
    elements,
    chain,
    // What the app has set is believed as a whole.
    believed: isWhole ? chain.length : Math.min(trusted, chain.length),
    isWhole,
    isForwardedSet: isSet('forwarded'),
  }
}

/**
 * The protocol, or the host, with which the client came to the first proxy that is trusted. Each proxy appends to a list,
 * so that only as many entries from its end are true as proxies are believed.
 */
function truthIn(said: Said, name: 'proto' | 'host'): string | undefined {
  const fromEnd = Math.max(said.believed, 1)
  const values = listOf(said[name] ?? '')
  if (values.length > 0) return values[Math.max(values.length - fromEnd, 0)]
  const { elements } = said
  const believed = elements.slice(Math.max(elements.length - fromEnd, 0))
  return believed.find((element) => element[name] !== undefined)?.[name]
}

function forwardedOf(said: Said, peer: Peer, truth: Truth): string {
  const { forwarded, chain } = said
  if (forwarded !== undefined && said.isForwardedSet) return forwarded
  const before = isConsistent(said, truth) ? forwarded : formatChain(chain, truth)
  if (said.isWhole) return before as string
  const own = formatForwarded(peer.node, truth)
  return before ? `${before}, ${own}` : own
}

/** Whether Forwarded says nothing else than X-Forwarded-* do. */
function isConsistent({ elements, chain, ...said }: Said, truth: Truth): boolean {
  if (elements.length === 0) return false
  const differs = (name: 'proto' | 'host') =>
    said[name] !== undefined &&
    elements.some(
      (element) => element[name] !== undefined && element[name]?.toLowerCase() !== truth[name]?.toLowerCase(),
    )
  if (differs('proto') || differs('host')) return false
  if (said.for === undefined) return true
  if (elements.length !== chain.length) return false
  return elements.every((element, i) => {
    const address = element.for && addressOf(element.for)
    return !address || address === addressOf(chain[i] as string)
  })
}

/** A chain as elements. The first says how the client came; all others only who they are, or the field could grow long. */
function formatChain(chain: readonly string[], truth: Truth): string {
  return chain.map((node, i) => formatForwarded(formatNode(node), i === 0 ? truth : {})).join(', ')
}

/** A field of the request that somebody who is trusted, or the app, has set. */
export function givenIn({ headers, untrusted }: Arrived, name: string): string | undefined {
  const value = headers[name]
  return value === undefined || untrusted?.has(name) ? undefined : String(value)
}

/** Whether a field of the request is not what the peer has sent. */
export function isReplaced({ raw, headers }: Arrived, name: string): boolean {
  const { rawHeaders } = raw
  const lines: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const line = rawHeaders[i] as string
    if (line.length === name.length && line.toLowerCase() === name) lines.push(rawHeaders[i + 1] as string)
  }
  return String(headers[name]) !== lines.join(', ')
}

/** The Host that the app wants backends to see; undefined where it has not set one. */
export function hostSetIn(arrived: Arrived): string | undefined {
  const { host } = arrived.headers
  return host !== undefined && isReplaced(arrived, 'host') ? host : undefined
}

function listOf(value: string): string[] {
  // Most lists have one entry.
  if (!/[, \t]/.test(value)) return value === '' ? [] : [value]
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}
