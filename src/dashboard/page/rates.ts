import type { PoolSnapshot } from '../../admin/contract/pool-events.js'
import type { BackendView } from '../../balancer/index.js'

/** Rates in events per second, averaged over the last five seconds. */
export interface Rate {
  requests: number
  failures: number
  retries: number
  hedges: number
  /** Requests per second to which the gateway itself responded with 503. */
  refused: number
}

interface Counts extends Rate {
  at: number
  /** Refused requests by error code. */
  refusals: Record<string, number>
}

/** Milliseconds over which rates are averaged. */
const WINDOW_MS = 5000

/** The rate of a pool or backend without any events. */
export const ZERO_RATE: Rate = { requests: 0, failures: 0, retries: 0, hedges: 0, refused: 0 }

/** Computes rates from counters that only grow. */
export class Rates {
  readonly #backends = new Map<string, Counts[]>()
  #pool: Counts[] = []

  add({ at: time, pool, backends }: PoolSnapshot): void {
    const at = Date.parse(time)
    const failures = backends.reduce((sum, { failed }) => sum + failed, 0)
    const { requests, retries, hedges, refused: refusals } = pool
    const refused = Object.values(refusals).reduce((sum, count) => sum + count, 0)
    this.#pool = append(this.#pool, { at, requests, failures, retries, hedges, refused, refusals })
    const ids = new Set<string>()
    for (const { id, total, failed } of backends) {
      ids.add(id)
      const counts = { ...ZERO_RATE, at, requests: total, failures: failed, refusals: {} }
      this.#backends.set(id, append(this.#backends.get(id) ?? [], counts))
    }
    for (const id of this.#backends.keys()) if (!ids.has(id)) this.#backends.delete(id)
  }

  /** Drops all counts, for example after a gap in the stream. */
  clear(): void {
    this.#backends.clear()
    this.#pool = []
  }

  get pool(): Rate {
    return rateOf(this.#pool)
  }

  /**
   * Returns the most frequent error code of requests that were refused in the last five seconds; undefined if none
   * were.
   */
  get refusal(): string | undefined {
    const [first, last] = [this.#pool[0]?.refusals ?? {}, this.#pool.at(-1)?.refusals ?? {}]
    const grown = Object.entries(last).map(([code, count]) => ({ code, count: count - (first[code] ?? 0) }))
    const [most] = grown.sort((a, b) => b.count - a.count)
    return most && most.count > 0 ? most.code : undefined
  }

  of({ id }: BackendView): Rate {
    return rateOf(this.#backends.get(id) ?? [])
  }

  /** Returns the rate between the last two snapshots; undefined before there are two. */
  get latest(): Rate | undefined {
    return this.#pool.length < 2 ? undefined : rateOf(this.#pool.slice(-2))
  }
}

function append(series: Counts[], next: Counts): Counts[] {
  const last = series.at(-1)
  // Counters that are lower than before began again at 0, because the gateway restarted or the backend was registered
  // again, so older counts do not apply any more.
  if (last && (next.requests < last.requests || next.refused < last.refused)) return [next]
  while (series.length > 2 && (series[1] as Counts).at <= next.at - WINDOW_MS) series.shift()
  if (last?.at !== next.at) series.push(next)
  return series
}

function rateOf(series: Counts[]): Rate {
  const first = series[0]
  const last = series.at(-1)
  if (!first || !last || first === last) return ZERO_RATE
  const seconds = (last.at - first.at) / 1000
  const perSecond = (name: keyof Rate) => Math.max(0, last[name] - first[name]) / seconds
  return {
    requests: perSecond('requests'),
    failures: perSecond('failures'),
    retries: perSecond('retries'),
    hedges: perSecond('hedges'),
    refused: perSecond('refused'),
  }
}
