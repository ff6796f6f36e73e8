import {
  addressOf,
  type ForwardedElement,
  formatForwarded,
  formatNode,
  parseForwarded,
} from '../../http/forwarded-field.js'
import type { Peer } from '../../http/peer.js'
import type { Trust } from '../../http/trust.js'
import { isReplaced, type ReceivedRequest, trustedField } from './untrusted-fields.js'

/** Where a request came from. A backend gets the same information in X-Forwarded-* and in Forwarded. */
export interface Origin {
  /** X-Forwarded-For: the addresses of the hops that the request passed, the client's first. */
  for: string
  /** The protocol that the client used, `http` or `https`. */
  proto: string
  /** The host that the client asked for; undefined where the request names none. */
  host: string | undefined
  /** The Forwarded field. */
  forwarded: string
  /** The client's address, as trusted proxies report it; undefined where the client has none. */
  client: string | undefined
}

/** What trusted proxies and the app say about where a request came from. */
interface Claims {
  /** X-Forwarded-For. */
  for: string | undefined
  /** X-Forwarded-Proto. */
  proto: string | undefined
  /** X-Forwarded-Host. */
  host: string | undefined
  forwarded: string | undefined
  /** The elements of Forwarded. */
  elements: readonly ForwardedElement[]
  /** The nodes that the request passed before the peer; the nearest node is the last. */
  path: readonly string[]
  /** How many nodes at the end of the path were named by a trusted proxy. */
  believed: number
  /** Whether the app has set the path. Then the peer is not added to the path. */
  isPathSet: boolean
  /** Whether the app has set Forwarded. */
  isForwardedSet: boolean
}

/** The protocol and host that the client used. */
type Asked = Pick<Origin, 'proto' | 'host'>

/**
 * Where a request came from, according to its claims.
 * @param peerProto the protocol of the peer's connection
 * @param namedHost the host that the request names
 */
export function claimedOrigin(
  received: ReceivedRequest,
  trust: Trust,
  peerProto: string,
  namedHost: string | undefined,
): Origin {
  const { peer } = received
  const claims = claimsOf(received, trust)
  const proto = believedValue(claims, 'proto') ?? peerProto
  const host = believedValue(claims, 'host') ?? namedHost
  const path = claims.isPathSet ? claims.path : [...claims.path, peer.address ?? 'unknown']
  const forwarded = forwardedOf(claims, peer, { proto, host })
  return { for: path.join(', '), proto, host, forwarded, client: clientOf(claims) ?? peer.address }
}

/**
 * The client's address, according to the claims of its request; undefined where neither the client nor the peer has an
 * address.
 */
export function claimedAddress(received: ReceivedRequest, trust: Trust): string | undefined {
  return clientOf(claimsOf(received, trust)) ?? received.peer.address
}

function clientOf({ path, believed }: Claims): string | undefined {
  for (const node of path.slice(path.length - believed)) {
    const address = addressOf(node)
    if (address !== undefined) return address
  }
  return undefined
}

function claimsOf(received: ReceivedRequest, trust: Trust): Claims {
  const given = (name: string) => trustedField(received, name)
  const nodes = given('x-forwarded-for')
  const forwarded = given('forwarded')
  const elements = (forwarded !== undefined && parseForwarded(forwarded)) || []
  const path =
    nodes !== undefined
      ? listOf(nodes)
      : elements.map((element) => (element.for && addressOf(element.for)) ?? 'unknown')
  const nearestFirst = path.map((node) => addressOf(node) ?? node).reverse()
  const trusted = trust(received.peer, nearestFirst)
  // Fields that an untrusted peer sent are left out, so every field that is present was set by the app.
  const isSet = (name: string) => given(name) !== undefined && (trusted === 0 || isReplaced(received, name))
  const isPathSet = path.length > 0 && isSet(nodes === undefined ? 'forwarded' : 'x-forwarded-for')
  return {
    for: nodes,
    proto: given('x-forwarded-proto'),
    host: given('x-forwarded-host'),
    forwarded,
    elements,
    path,
    // A path that the app has set is believed as a whole.
    believed: isPathSet ? path.length : Math.min(trusted, path.length),
    isPathSet,
    isForwardedSet: isSet('forwarded'),
  }
}

/**
 * The protocol, or the host, with which the client came to the first trusted proxy. Each proxy appends to a list, so
 * from the end of the list only as many entries are believed as there are trusted proxies.
 */
function believedValue(claims: Claims, name: 'proto' | 'host'): string | undefined {
  const fromEnd = Math.max(claims.believed, 1)
  const values = listOf(claims[name] ?? '')
  if (values.length > 0) return values[Math.max(values.length - fromEnd, 0)]
  const { elements } = claims
  const believed = elements.slice(Math.max(elements.length - fromEnd, 0))
  return believed.find((element) => element[name] !== undefined)?.[name]
}

function forwardedOf(claims: Claims, peer: Peer, asked: Asked): string {
  const { forwarded, path } = claims
  if (forwarded !== undefined && claims.isForwardedSet) return forwarded
  const before = isConsistent(claims, asked) ? forwarded : formatPath(path, asked)
  if (claims.isPathSet) return before as string
  const own = formatForwarded(peer.node, asked)
  return before ? `${before}, ${own}` : own
}

/** Whether Forwarded says the same as the X-Forwarded-* fields. */
function isConsistent({ elements, path, ...claims }: Claims, asked: Asked): boolean {
  if (elements.length === 0) return false
  const differs = (name: 'proto' | 'host') =>
    claims[name] !== undefined &&
    elements.some(
      (element) => element[name] !== undefined && element[name]?.toLowerCase() !== asked[name]?.toLowerCase(),
    )
  if (differs('proto') || differs('host')) return false
  if (claims.for === undefined) return true
  if (elements.length !== path.length) return false
  return elements.every((element, i) => {
    const address = element.for && addressOf(element.for)
    return !address || address === addressOf(path[i] as string)
  })
}

/**
 * A path as elements of Forwarded. Only the first element has protocol and host, because the field could grow long
 * otherwise.
 */
function formatPath(path: readonly string[], asked: Asked): string {
  return path.map((node, i) => formatForwarded(formatNode(node), i === 0 ? asked : {})).join(', ')
}

function listOf(value: string): string[] {
  // Most lists have one entry.
  if (!/[, \t]/.test(value)) return value === '' ? [] : [value]
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}
