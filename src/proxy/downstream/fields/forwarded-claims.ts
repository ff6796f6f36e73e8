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

/** Where a request came from. A backend is told the same in X-Forwarded-* and in Forwarded. */
export interface Origin {
  /** X-Forwarded-For: the addresses that the request came by, the client's first. */
  for: string
  /** The protocol that the client used, `http` or `https`. */
  proto: string
  /** The host that the client asked; undefined where the request names none. */
  host: string | undefined
  /** The Forwarded field. */
  forwarded: string
  /** The client's address, by what trusted proxies say; undefined where it has none. */
  client: string | undefined
}

/** What trusted proxies and the app say of where a request came from. */
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
  /** The nodes that the request passed before the peer, the nearest last. */
  path: readonly string[]
  /** How many nodes at the end of the path were named by a trusted proxy. */
  believed: number
  /** Whether the app has set the path; the peer is not added to it then. */
  isPathSet: boolean
  /** Whether the app has set Forwarded. */
  isForwardedSet: boolean
}

/** How the client asked. */
type Asked = Pick<Origin, 'proto' | 'host'>

/**
 * Where a request came from, by its claims.
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

/** The client's address, by the claims of its request; undefined where neither it nor the peer has one. */
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
  // Fields of a peer that is not trusted are left out, so that all that is given was set by the app.
  const isSet = (name: string) => given(name) !== undefined && (trusted === 0 || isReplaced(received, name))
  const isPathSet = path.length > 0 && isSet(nodes === undefined ? 'forwarded' : 'x-forwarded-for')
  return {
    for: nodes,
    proto: given('x-forwarded-proto'),
    host: given('x-forwarded-host'),
    forwarded,
    elements,
    path,
    // What the app has set is believed as a whole.
    believed: isPathSet ? path.length : Math.min(trusted, path.length),
    isPathSet,
    isForwardedSet: isSet('forwarded'),
  }
}

/**
 * The protocol, or the host, with which the client came to the first trusted proxy. Each proxy appends to a list, so that
 * only as many entries from its end are true as proxies are believed.
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

/** Whether Forwarded says nothing else than X-Forwarded-* do. */
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

/** A path as elements of Forwarded. Only the first says how the client asked, or the field could grow long. */
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
