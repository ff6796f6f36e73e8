import type { GatewayView } from '../balancer/fleet/gateway-directory.js'
import type { BackendView, PoolView } from '../balancer/index.js'

type Kind = 'string' | 'number' | 'boolean' | 'object'

/**
 * The response of `GET /pool`. Gateways of older versions do not report retries, hedges and refused requests; gateways
 * of newer versions may have policies that this version does not know.
 */
export interface Pool extends Omit<PoolView, 'policy' | 'requests' | 'retries' | 'hedges' | 'refused'> {
  policy: string
  /** Numbers of refused requests, by error code. */
  refused?: Record<string, number>
  retries?: number
  hedges?: number
}

/** One pool in the response of `GET /pools`. */
export interface NamedPool extends Pool {
  name: string
}

/** One gateway in the response of `GET /gateways`. */
export type Gateway = GatewayView

const backend: Record<string, Kind> = {
  id: 'string',
  url: 'string',
  weight: 'number',
  state: 'string',
  health: 'string',
  inFlight: 'number',
  total: 'number',
  failed: 'number',
  latency: 'object',
}
const pool: Record<string, Kind> = {
  policy: 'string',
  backends: 'number',
  eligible: 'number',
  panic: 'boolean',
  inFlight: 'number',
  queue: 'object',
  closing: 'boolean',
}

/** The functions below check the fields that commands show, and keep unknown fields, which newer gateways may add. */

export function readBackend(document: unknown): BackendView {
  const view = check<BackendView>(document, 'the backend', backend)
  check(view.latency, 'latency', { p50: 'number', p99: 'number' })
  if (view.maxConnections !== null) check(view, 'the backend', { maxConnections: 'number' })
  return view
}

/**
 * Reads the response about a backend that was drained or removed. Newer gateways add a warning if no other backend is
 * usable.
 */
export function readLeaving(document: unknown): BackendView & { warning?: string } {
  const view: BackendView & { warning?: string } = readBackend(document)
  if (view.warning !== undefined) check(view, 'the backend', { warning: 'string' })
  return view
}

export function readBackends(document: unknown): BackendView[] {
  return listIn(document, 'backends').map(readBackend)
}

export function readPool(document: unknown): Pool {
  const view = check<Pool>(document, 'the pool', pool)
  check(view.queue, 'queue', { length: 'number', limit: 'number' })
  for (const name of ['retries', 'hedges'] as const) {
    if (view[name] !== undefined) check(view, 'the pool', { [name]: 'number' })
  }
  if (view.refused !== undefined) {
    const codes = Object.keys(check<object>(view.refused, 'refused', {}))
    check(view.refused, 'refused', Object.fromEntries(codes.map((code) => [code, 'number'])))
  }
  if (view.store !== undefined) check(view.store, 'store', { name: 'string', away: 'boolean' })
  return view
}

export function readGateways(document: unknown): Gateway[] {
  return listIn(document, 'gateways').map((gateway) =>
    check<Gateway>(gateway, 'the gateway', {
      id: 'string',
      lastSeen: 'string',
      inFlight: 'number',
      self: 'boolean',
    }),
  )
}

export function readPools(document: unknown): NamedPool[] {
  return listIn(document, 'pools').map((one) => ({
    ...readPool(one),
    ...check<{ name: string }>(one, 'the pool', { name: 'string' }),
  }))
}

export function readPolicy(document: unknown): string {
  return check<{ policy: string }>(document, 'the answer', { policy: 'string' }).policy
}

/** Checks that a response has no body. */
export function readNothing(document: unknown): undefined {
  if (document !== undefined) throw new Error('nothing was expected')
}

/** Returns the list in a field of a document. @throws {Error} if there is none */
export function listIn(document: unknown, field: string): unknown[] {
  const list = check<Record<string, unknown>>(document, 'the answer', { [field]: 'object' })[field]
  if (!Array.isArray(list)) throw new Error(`${field} is no list`)
  return list
}

/** Returns the value as the type that it should have. @throws {Error} if it lacks one of the fields */
export function check<T>(value: unknown, name: string, fields: Record<string, Kind>): T {
  if (typeof value !== 'object' || value === null) throw new Error(`${name} is no object`)
  for (const [field, kind] of Object.entries(fields)) {
    const found = (value as Record<string, unknown>)[field]
    if (typeof found !== kind || found === null) throw new Error(`${field} of ${name} is no ${kind}`)
  }
  return value as T
}
