import type { BackendView } from '../../balancer/index.js'
import { duration, percent } from './format.js'

/** The status of a backend in one word, with the values by which the page shows it. */
export interface BackendStatus {
  kind: 'healthy' | 'limited' | 'unknown' | 'draining' | 'ejected' | 'unhealthy'
  word: string
  shape: string
  /** Severity of the status; a higher number is worse. */
  rank: number
  /** Further information about the status; may be empty. */
  detail: string
}

/** Returns the status of a backend. @param now the current time by the gateway's clock, in milliseconds */
export function backendStatusOf(backend: BackendView, now: number): BackendStatus {
  const { state, health, share, ejectedUntil, lastCheck, unresolved } = backend
  const until = ejectedUntil === null ? '' : `tried again in ${duration(Date.parse(ejectedUntil) - now)}`
  if (state === 'draining') {
    const detail = health === 'unhealthy' || health === 'ejected' ? `and ${health}` : ''
    return { kind: 'draining', word: 'draining', shape: '◐', rank: 3, detail }
  }
  if (unresolved !== null) {
    return { kind: 'unhealthy', word: 'no address', shape: '✕', rank: 5, detail: unresolved }
  }
  if (health === 'unhealthy') {
    return { kind: 'unhealthy', word: 'unhealthy', shape: '✕', rank: 5, detail: lastCheck?.detail ?? '' }
  }
  if (health === 'ejected') return { kind: 'ejected', word: 'ejected', shape: '▲', rank: 4, detail: until }
  if (share < 1) {
    const detail = `${percent(share)} of its share`
    return { kind: 'limited', word: 'limited', shape: '◔', rank: 2, detail }
  }
  if (health === 'unknown') {
    return { kind: 'unknown', word: 'in use', shape: '○', rank: 1, detail: 'not checked' }
  }
  return { kind: 'healthy', word: 'healthy', shape: '●', rank: 0, detail: '' }
}

/** True if a backend gets no new requests. */
export function isOutOfUse({ state, health, unresolved }: BackendView): boolean {
  return unresolved !== null || state === 'draining' || health === 'unhealthy' || health === 'ejected'
}
