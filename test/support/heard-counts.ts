import type { HeardCounts } from '../../src/balancer/fleet/counts-exchange.js'

/** What a gateway says of the backends of a pool. */
export function heardCounts(
  gateway: string,
  inFlight: Record<string, number>,
  quiet: Record<string, number> = {},
): HeardCounts {
  const urls = Object.keys(inFlight)
  return {
    gateway,
    urls,
    inFlight: Object.values(inFlight),
    quiet: Object.entries(quiet).map(([url, count]) => [urls.indexOf(url), count]),
  }
}
