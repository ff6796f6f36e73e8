import type { Backend } from '../backends/backend.js'
import type { Ejection } from '../health/ejection.js'
import type { ShareLimits } from '../health/share-limits.js'
import type { SelectionPreview } from '../selection/selection.js'

/** What may keep a backend from being chosen. */
export interface UnavailabilitySources {
  prospect: SelectionPreview
  ejection: Ejection
  limits: ShareLimits
}

/** Why a backend cannot be chosen for this request; undefined where it can. */
export function unavailableReasonOf(
  backend: Backend,
  except: ReadonlySet<Backend> | undefined,
  { prospect, ejection, limits }: UnavailabilitySources,
  now: number,
): string | undefined {
  if (backend === prospect.choice && (prospect.trial || !backend.isEligible)) return undefined
  const { inFlight, maxConnections } = backend
  const full = `full: ${inFlight} of ${maxConnections}`
  if (backend.isEligible) {
    if (except?.has(backend)) return 'excluded by the request'
    if (backend.isFull) return full
    return backend.tier > prospect.reach ? `rests: ${restOf(backend, limits, now)}` : undefined
  }
  if (backend.state === 'draining') return `draining: ${inFlight} in flight are left`
  if (backend.unresolved !== undefined) return `not used: its name cannot be resolved (${backend.unresolved})`
  if (backend.health === 'unhealthy') return unhealthy(backend)
  if (backend.isUsable && backend.backup) return 'backup: used where no other backend is usable'
  const until = backend.ejectedUntil?.toISOString()
  switch (ejection.waitsFor(backend)) {
    case 'time':
      return `ejected until ${until}`
    case 'trial':
      return `ejected until ${until}, and tried now: waits for the answer`
    case 'request':
      if (except?.has(backend)) return 'ejected, its time is up; but excluded by the request'
      if (backend.isFull) return `ejected, its time is up; but ${full}`
      // What could not be sent again is not risked at once; and only one is tried at a time.
      return 'ejected, its time is up: tried with the next request that fits'
  }
}

function restOf(backend: Backend, limits: ShareLimits, now: number): string {
  const { ramp, kept } = limits.partsOf(backend, now)
  const causes = [
    ramp < 1 && 'in slow start',
    kept < 1 && 'after failures',
    limits.isCapped(backend) && 'as it refuses far more requests than the others',
  ].filter(Boolean)
  const part = ramp * kept < 1 ? `${percent(ramp * kept)} of its share` : 'no more than its share'
  return `may have ${[part, causes.join(' and ')].join(' ').trimEnd()}, and has had it`
}

function unhealthy({ lastCheck, unproven }: Backend): string {
  if (unproven && !lastCheck) return 'unhealthy: it has not passed a check yet'
  return `unhealthy: ${lastCheck ? `the last check said ${lastCheck.detail}` : 'set so'}`
}

export function percent(part: number): string {
  return `${Math.round(part * 1000) / 10} %`
}
