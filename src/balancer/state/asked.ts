import { InvalidBackendError } from '../errors.js'
import { MAX_TIMER_MS } from '../time/clock.js'
import type { Asked, PoolState, Removal } from './store.js'

/** Time for which a removal is remembered, so that gateways that were away hear whether it was by force. */
const REMOVAL_KEPT_MS = 600_000
/** Largest number of removals that are remembered. */
const MAX_REMOVALS = 1000

/** A call whose circumstances other gateways need: of a backend that stays, or of one that leaves. */
export type AskedCall = { url: string; asked: Asked } | { removal: Removal }

/**
 * Completes a state by what was asked for: what the state before it had, and the present call.
 * @param now milliseconds since 1970
 */
export function withAsked(
  state: PoolState,
  before: PoolState | undefined,
  call: AskedCall | undefined,
  now: number,
): PoolState {
  const asked = new Map(before?.backends.map((backend) => [backend.url, backend]))
  const backends = state.backends.map((backend) => {
    if (call && 'asked' in call && call.url === backend.url) return { ...backend, asked: call.asked }
    const known = asked.get(backend.url)
    // What was asked of a backend is over once it is in another state.
    return known?.asked && known.state === backend.state ? { ...backend, asked: known.asked } : backend
  })
  const urls = new Set(backends.map(({ url }) => url))
  const removal = call && 'removal' in call ? call.removal : undefined
  const removals = (before?.removals ?? [])
    .filter(({ url, at }) => url !== removal?.url && !urls.has(url) && now - Date.parse(at) < REMOVAL_KEPT_MS)
    .concat(removal ?? [])
    .slice(-MAX_REMOVALS)
  return { ...state, backends, ...(removals.length > 0 && { removals }) }
}

/** Returns, by URL of backend, what was asked for between two states. */
export function askedBetween(before: PoolState, now: PoolState): Map<string, Asked | Removal> {
  const known = listOf(before)
  const found = [...listOf(now)].filter(([url, asked]) => !isSameCall(known.get(url), asked))
  return new Map(found)
}

function listOf({ backends, removals = [] }: PoolState): Map<string, Asked | Removal> {
  const found = new Map<string, Asked | Removal>(removals.map((removal) => [removal.url, removal]))
  for (const { url, asked } of backends) if (asked) found.set(url, asked)
  return found
}

function isSameCall(one: Asked | undefined, other: Asked): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** @throws {InvalidBackendError} */
export function checkTimeout(timeout: unknown): number | undefined {
  if (timeout === undefined) return undefined
  if (typeof timeout === 'number' && Number.isInteger(timeout) && timeout >= 0)
    return Math.min(timeout, MAX_TIMER_MS)
  throw new InvalidBackendError('timeout', 'must be whole milliseconds')
}
