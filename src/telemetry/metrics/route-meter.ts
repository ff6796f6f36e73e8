import { RouteCounters, type RouteDelta } from './route-counters.js'

/** What each route counted since the last time, by name; routes without a request are left out. */
export type RouteDeltas = [route: string, delta: RouteDelta][]

/** The counters of all routes of a gateway, by the names of the routes. */
export class RouteMeter implements Iterable<[route: string, counters: RouteCounters]> {
  readonly #routes = new Map<string, RouteCounters>()

  /** Returns the counters of a route, which are new where no route of this name was known. */
  of(route: string): RouteCounters {
    let counters = this.#routes.get(route)
    if (!counters) {
      counters = new RouteCounters()
      this.#routes.set(route, counters)
    }
    return counters
  }

  /** Counts a request that could not be counted for the rate limit of its route, unless the route is gone. */
  countUncounted(route: string): void {
    this.#routes.get(route)?.countUncounted()
  }

  /** Forgets all routes but these, and brings them into this order. Routes that stay keep their counts. */
  keep(names: Iterable<string>): void {
    const kept = [...names].map((name) => [name, this.of(name)] as const)
    this.#routes.clear()
    for (const [name, counters] of kept) this.#routes.set(name, counters)
  }

  /** Returns what was counted, and begins again at 0. A worker thread sends this to the thread that shows the counts. */
  take(): RouteDeltas {
    const deltas: RouteDeltas = []
    for (const [name, counters] of this.#routes) {
      const delta = counters.take()
      if (delta) deltas.push([name, delta])
    }
    return deltas
  }

  /** Adds what another thread took. Counts of routes that are not known any more are left out. */
  add(deltas: RouteDeltas): void {
    for (const [name, delta] of deltas) this.#routes.get(name)?.add(delta)
  }

  [Symbol.iterator](): Iterator<[string, RouteCounters]> {
    return this.#routes.entries()
  }
}
