/** Requests that each worker has answered, by its name. */
export type Requests = Map<string, number>

const COUNTER = /^leastwise_\w*requests_total\{[^}]*\bworker="([^"]*)"[^}]*\} (\S+)/gm

/** What a page of metrics says of each worker; undefined where it says nothing of workers. */
export function requestsByWorker(page: string): Requests | undefined {
  const found: Requests = new Map()
  for (const [, worker = '', count] of page.matchAll(COUNTER)) {
    found.set(worker, (found.get(worker) ?? 0) + Number(count))
  }
  return found.size > 0 ? found : undefined
}

/** The part of the requests between two moments that each worker had, the largest first; undefined where it is not known. */
export function sharesBetween(
  before: Requests | undefined,
  after: Requests | undefined,
): number[] | undefined {
  if (!before || !after) return undefined
  const counts = [...after].map(([worker, count]) => count - (before.get(worker) ?? 0))
  const all = counts.reduce((sum, count) => sum + count, 0)
  return all === 0 ? undefined : counts.map((count) => count / all).sort((a, b) => b - a)
}
