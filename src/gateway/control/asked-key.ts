import type { FastifyRequest } from 'fastify'
import type { KeyTraits } from '../../balancer/leases/lease-request.js'
import type { Pool } from '../../pool/pool.js'
import { peerOf } from '../../proxy/http/peer.js'
import { trustOf } from '../../proxy/http/trust.js'
import type { AskedRequest } from './asked-request.js'

/** The key of a request in a pool, and in words where it comes from. */
export interface AskedKey {
  /** `ip`, `cookie:NAME` or `header:NAME`; null where the request has no key. */
  label: string | null
  /** What the choice of a backend depends on. */
  traits: KeyTraits
}

/** Finds the key of a request. The key of a cookie is verified, and not shown. */
export function keyOf({ affinity, settings }: Pool, { headers, rawHeaders, client }: AskedRequest): AskedKey {
  const setting = settings.affinity
  const label = setting === 'cookie' ? 'cookie:leastwise' : setting
  if (setting === 'off') return { label: null, traits: {} }
  // The address of an inquiry is that of the client itself, behind all proxies.
  if (setting === 'ip') return { label, traits: { key: client.toLowerCase() } }
  const request = { headers, raw: { headers, rawHeaders } } as unknown as FastifyRequest
  const traits = affinity.for(NO_TRUST)?.keyOf(request, NO_PEER)
  return traits ? { label, traits } : { label: null, traits: {} }
}

// Neither a field nor a cookie depends on who sent it.
const NO_TRUST = trustOf(false)
const NO_PEER = peerOf({ remoteAddress: undefined })
