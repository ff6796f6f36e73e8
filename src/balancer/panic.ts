import type { Backend } from './backend.js'

/** Whom to fall back on when health leaves too little, after Envoy's panic threshold. */
export const panicModes = ['off', 'ejected', 'unhealthy'] as const

/**
 * `off`: nobody; a pool without a usable backend answers that there is none. `ejected`: the ejected ones,
 * whose failures may well have been the clients' or somebody else's, but not those that checks found
 * unhealthy. `unhealthy`: these as well, but none that did not even answer its check while another one did.
 */
export type PanicMode = (typeof panicModes)[number]

export interface PanicOptions {
  panic: PanicMode
  /** Panic begins when less than this percentage of the active backends is usable; always when none is. */
  panicThreshold: number
}

/** Who may be given requests, and whether health had to be ignored for it. */
export function eligibleOf(
  backends: readonly Backend[],
  { panic, panicThreshold }: PanicOptions,
): { eligible: Backend[]; panicking: boolean } {
  const active = backends.filter(({ state }) => state === 'active')
  const usable = active.filter(({ isUsable }) => isUsable)
  const enough = usable.length > 0 && 100 * usable.length >= panicThreshold * active.length
  if (enough || panic === 'off') return { eligible: usable, panicking: false }
  const answers = ({ health, answersChecks }: Backend) =>
    health !== 'unhealthy' || (panic === 'unhealthy' && answersChecks)
  let fallback = active.filter(answers)
  if (fallback.length === 0 && panic === 'unhealthy') fallback = active
  return { eligible: fallback, panicking: fallback.length > usable.length }
}
