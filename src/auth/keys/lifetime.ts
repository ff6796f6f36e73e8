const MIN_LIFETIME_MS = 60_000
const MAX_LIFETIME_MS = 86_400_000
/** For a response that says nothing of it. */
const DEFAULT_LIFETIME_MS = 600_000

const MAX_AGE = /(?:^|,)\s*max-age\s*=\s*"?(\d+)"?\s*(?:,|$)/i
const NOT_KEPT = /(?:^|,)\s*no-(?:store|cache)\b/i

/**
 * How long keys may be used without asking again, in milliseconds: what Cache-Control says, RFC 9111 section 5.2.2, but
 * at least a minute, so that an issuer is not asked all the time, and at most a day.
 */
export function lifetimeOf(headers: Headers): number {
  const control = headers.get('cache-control') ?? ''
  if (NOT_KEPT.test(control)) return MIN_LIFETIME_MS
  const maxAge = MAX_AGE.exec(control)?.[1]
  if (maxAge === undefined) return DEFAULT_LIFETIME_MS
  const age = Number(headers.get('age') ?? 0)
  const left = (Number(maxAge) - (age > 0 ? age : 0)) * 1000
  return Math.min(Math.max(left, MIN_LIFETIME_MS), MAX_LIFETIME_MS)
}
