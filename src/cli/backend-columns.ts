import type { BackendView } from '../balancer/index.js'
import type { Column, Style } from './table.js'

type B = BackendView

const unwell: Record<string, Style> = { unhealthy: 'red', ejected: 'red', unknown: 'dim' }

export const id: Column<B> = { head: 'id', text: (backend) => backend.id }
export const url: Column<B> = { head: 'url', spare: 1, text: (backend) => backend.url }
export const state: Column<B> = {
  head: 'state',
  // Gateways of older versions do not report whether a backend is a backup.
  text: ({ state, backup }) => (backup ? `${state}, backup` : state),
  style: (backend) => (backend.state === 'draining' ? 'yellow' : undefined),
}
export const health: Column<B> = {
  head: 'health',
  text: ({ health, unresolved }) => (unresolved ? 'no address' : health),
  style: ({ health, unresolved }) => (unresolved ? 'red' : unwell[health]),
}
export const inFlight: Column<B> = {
  head: 'in flight',
  right: true,
  text: (backend) => String(backend.inFlight),
}
export const inFlightElsewhere: Column<B> = {
  head: 'elsewhere',
  right: true,
  spare: 2,
  // Gateways of older versions do not report it.
  text: (backend) => String(backend.inFlightElsewhere ?? '-'),
}
export const tunnels: Column<B> = {
  head: 'tunnels',
  right: true,
  spare: 0,
  // Gateways of older versions do not report the number of tunnels.
  text: (backend) => String(backend.tunnels ?? '-'),
}
export const p50: Column<B> = {
  head: 'p50 ms',
  right: true,
  spare: 4,
  text: ({ latency }) => milliseconds(latency.p50),
}
export const p99: Column<B> = {
  head: 'p99 ms',
  right: true,
  text: ({ latency }) => milliseconds(latency.p99),
}
export const weight: Column<B> = {
  head: 'weight',
  right: true,
  spare: 3,
  text: (backend) => String(backend.weight),
}
export const limit: Column<B> = {
  head: 'limit',
  right: true,
  spare: 2,
  text: (backend) => String(backend.maxConnections ?? '-'),
}

/** The columns of `leastwise backends list`. */
export const listColumns: Column<B>[] = [
  id,
  url,
  state,
  health,
  inFlight,
  { head: 'total', right: true, text: (backend) => String(backend.total) },
  { head: 'failed', right: true, text: (backend) => String(backend.failed) },
  tunnels,
  p50,
  p99,
  weight,
  limit,
]

/**
 * Formats a response time in milliseconds. 0 is shown as a dash, because it means that the backend has not responded
 * yet.
 */
function milliseconds(time: number): string {
  return time === 0 ? '-' : time.toFixed(time < 100 ? 1 : 0)
}
