import type { Backend } from '../backends/backend.js'

/**
 * The modes of panic, which say which backends are used when too few are healthy, as in Envoy's panic threshold
 * (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold).
 */
export const panicModes = ['off', 'ejected', 'unhealthy'] as const

/**
 * The mode of panic. `off`: there is no panic, and a pool without a usable backend refuses requests. `ejected`: ejected
 * backends are used, because their failures may have had other reasons, but not those that checks found unhealthy.
 * `unhealthy`: unhealthy backends are used as well, except one that did not even answer its check while another one
 * did.
 */
export type PanicMode = (typeof panicModes)[number]

export interface PanicOptions {
  panic: PanicMode
  /**
   * The percentage of usable backends among the active ones below which panic begins; panic always begins when none is
   * usable.
   */
  panicThreshold: number
}

/** The backends of a pool that may be given requests; see {@link eligibleOf}. */
export interface Eligibility {
  /** Backends that may be given requests. */
  eligible: Backend[]
  /** Usable backups that are not used, because another backend is usable. */
  standby: Backend[]
  /** True if backups may be used. */
  usesBackups: boolean
  /** True if health is ignored, because too few backends are healthy. */
  panicking: boolean
}

/**
 * Finds out which backends may be given requests. Backups are used where no other backend is usable, and before any
 * unusable backend. In panic, the health of other backends is ignored before that of backups.
 */
export function eligibleOf(backends: readonly Backend[], options: PanicOptions): Eligibility {
  const found = ofReachable(backends, options)
  if (found.eligible.length > 0) return found
  // Where there is no other backend, one whose name cannot be resolved is used, so that requests fail with that reason
  // and not with "no backend".
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
  // A backend that has yet to pass its first check, or has no address, is left out, however few others there are.
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
