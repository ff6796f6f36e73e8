import type { Backend } from '../backends/backend.js'
import type { PassiveHealth } from '../health/passive-health.js'
import type { ShareLimits } from '../health/share-limits.js'
import type { SelectionPreview } from '../selection/selection-preview.js'

/** The parts of a pool that may keep a backend from being chosen. */
export interface UnavailabilitySources {
  preview: SelectionPreview
  ejection: PassiveHealth
  limits: ShareLimits
}

/**
 * Returns the reason, in a few words, for which a backend cannot be chosen for a request; undefined where it can be.
 * @param except the backends that the request excludes
 * @param now monotonic milliseconds
 */
export function unavailableReasonOf(
  backend: Backend,
  except: ReadonlySet<Backend> | undefined,
  { preview, ejection, limits }: UnavailabilitySources,
  now: number,
): string | undefined {
  if (backend === preview.choice) return undefined
  const { inFlight } = backend
  const full = `full: ${inFlight} of ${slotsOf(backend)}`
  if (backend.isEligible) {
    if (except?.has(backend)) return 'excluded by the request'
    if (backend.isFull) return full
    return backend.tier > preview.reach ? `rests: ${limitOf(backend, limits, now)}` : undefined
  }
  if (backend.state === 'draining') return `draining: ${inFlight} in flight are left`
  if (backend.unresolved !== undefined) return `not used: its name cannot be resolved (${backend.unresolved})`
  if (backend.health === 'unhealthy') return unhealthyReasonOf(backend)
  if (backend.isUsable && backend.backup) return 'backup: used where no other backend is usable'
  const until = backend.ejectedUntil?.toISOString()
  switch (ejection.probes.waitsFor(backend)) {
    case 'time':
      return `ejected until ${until}`
    case 'trial':
      return `ejected until ${until}, and tried now: waits for the answer`
    case 'request':
      if (except?.has(backend)) return 'ejected, its time is up; but excluded by the request'
      if (backend.isFull) return `ejected, its time is up; but ${full}`
      // Another backend may be probed first, and a request that cannot be repeated is spared for a while.
      return 'ejected, its time is up: tried with the next request that fits'
  }
}

/** Says how many requests the backend may have in flight from here, and from all gateways where that is another number. */
function slotsOf({ slots, maxConnections }: Backend): string {
  return slots === maxConnections
    ? `${slots}`
    : `${slots}, which is what this gateway has of ${maxConnections} now`
}

/** Describes the limit that a backend has used up, and the reasons for it. */
function limitOf(backend: Backend, limits: ShareLimits, now: number): string {
  const { slowStartFactor, penaltyFactor } = limits.factorsOf(backend, now)
  const share = slowStartFactor * penaltyFactor
  const causes = [
    slowStartFactor < 1 && 'in slow start',
    penaltyFactor < 1 && 'after failures',
    limits.isCapped(backend) && 'as it refuses far more requests than the others',
  ].filter(Boolean)
  const part = share < 1 ? `${percent(share)} of its share` : 'no more than its share'
  return `may have ${[part, causes.join(' and ')].join(' ').trimEnd()}, and has had it`
}

function unhealthyReasonOf({ lastCheck, unproven }: Backend): string {
  if (unproven && !lastCheck) return 'unhealthy: it has not passed a check yet'
  return `unhealthy: ${lastCheck ? `the last check said ${lastCheck.detail}` : 'set so'}`
}

export function percent(part: number): string {
  return `${Math.round(part * 1000) / 10} %`
}
