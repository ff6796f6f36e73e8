import type { Backend } from '../backends/backend.js'

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

/** Which backends of a pool may be given requests; see {@link eligibleOf}. */
export interface Eligibility {
  /** Those that may be given requests. */
  eligible: Backend[]
  /** Usable backups that are left alone, as another backend is usable. */
  standby: Backend[]
  /** Whether backups may be used. */
  usesBackups: boolean
  /** Whether health had to be ignored. */
  panicking: boolean
}

/**
 * Who may be given requests. Backups are used where none of the others is usable, and go before any backend that is not;
 * where health has to be ignored, it is ignored of the others first.
 */
export function eligibleOf(backends: readonly Backend[], options: PanicOptions): Eligibility {
  const found = ofReachable(backends, options)
  if (found.eligible.length > 0) return found
  // Where there is nobody else, requests are told that a name cannot be resolved, and not that there is no backend.
  const eligible = backends.filter(
    ({ state, checked, unresolved }) =>
      state === 'active' && checked !== 'unhealthy' && unresolved !== undefined,
  )
  return { ...found, eligible }
}

function ofReachable(backends: readonly Backend[], options: PanicOptions): Eligibility {
  const backups = backends.filter(({ backup }) => backup)
  if (backups.length === 0) return { ...ofKind(backends, options), standby: [], usesBackups: false }
  const main = ofKind(
    backends.filter(({ backup }) => !backup),
    options,
  )
  const usableBackups = backups.filter(({ isUsable }) => isUsable)
  const usesBackups = !main.eligible.some(({ isUsable }) => isUsable)
  if (!usesBackups) return { ...main, standby: usableBackups, usesBackups }
  const bestLeft = usableBackups.length > 0 || main.eligible.length === 0 ? ofKind(backups, options) : main
  return { ...bestLeft, standby: [], usesBackups }
}

function ofKind(
  backends: readonly Backend[],
  { panic, panicThreshold }: PanicOptions,
): Pick<Eligibility, 'eligible' | 'panicking'> {
  // A backend that has yet to pass its first check, or has no address, is left out however few others there are.
  const active = backends.filter(
    ({ state, unproven, unresolved }) => state === 'active' && !unproven && unresolved === undefined,
  )
  const usable = active.filter(({ isUsable }) => isUsable)
  const enough = usable.length > 0 && 100 * usable.length >= panicThreshold * active.length
  if (enough || panic === 'off') return { eligible: usable, panicking: false }
  const answers = ({ health, answersChecks }: Backend) =>
    health !== 'unhealthy' || (panic === 'unhealthy' && answersChecks)
  let fallback = active.filter(answers)
  if (fallback.length === 0 && panic === 'unhealthy') fallback = active
  return { eligible: fallback, panicking: fallback.length > usable.length }
}
