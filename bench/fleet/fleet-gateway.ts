import type { Backend } from '../../src/balancer/backends/backend.js'
import { Balancer } from '../../src/balancer/balancer.js'
import type { HeardCounts } from '../../src/balancer/fleet/counts-exchange.js'
import { LeasedRequest } from '../simulate/leased-request.js'
import type { Server } from '../simulate/server.js'
import type { Timeline } from '../simulate/timeline.js'
import type { LateExchange, Talker } from './late-exchange.js'
import type { FleetScene } from './scenes.js'
import type { Hearing, Way } from './ways.js'

/** A gateway: a pool of leastwise in simulated time that tells others what it has in flight. */
export class FleetGateway implements Talker {
  readonly balancer: Balancer
  readonly #name: string
  readonly #timeline: Timeline
  readonly #exchange: LateExchange
  readonly #hearing: Hearing | undefined

  constructor(
    name: string,
    { backends, joins }: FleetScene,
    { policy, isOne = false, listen }: Way,
    timeline: Timeline,
    exchange: LateExchange,
    random: () => number,
  ) {
    const known = joins ? backends.slice(0, -1) : backends
    this.#name = name
    this.balancer = new Balancer({
      policy,
      clock: timeline,
      random,
      slowStart: joins?.slowStart ?? 0,
      backends: known.map(({ weight }, i) => ({ url: urlOf(i), weight })),
    })
    this.#timeline = timeline
    this.#exchange = exchange
    this.#hearing = listen?.(this.balancer, timeline)
    if (this.#hearing && !isOne) exchange.join(this, random)
  }

  counts(): HeardCounts {
    const backends = this.balancer.registry.list()
    return {
      gateway: this.#name,
      urls: backends.map(({ url }) => url),
      inFlight: backends.map(({ inFlight }) => inFlight),
      quiet: [],
    }
  }

  heard(counts: HeardCounts): void {
    this.#hearing?.heard(counts)
  }

  vanish(): void {
    this.#exchange.vanish(this)
  }

  /**
   * Sends a request to a backend.
   * @param done called with the milliseconds that it took
   * @returns the number of the backend
   */
  handle(work: number, servers: readonly Server[], done: (latency: number) => void): number {
    const lease = this.balancer.acquire()
    this.#hearing?.counted?.()
    const number = numberOf(lease.backend)
    const server = servers[number] as Server
    const answered = (latency: number) => {
      this.#hearing?.counted?.()
      done(latency)
    }
    server.take(new LeasedRequest(this.#timeline, server, work, lease, answered))
    return number
  }
}

export function urlOf(number: number): string {
  return `http://backend-${number}`
}

const numbers = new WeakMap<Backend, number>()

function numberOf(backend: Backend): number {
  const known = numbers.get(backend)
  if (known !== undefined) return known
  const number = Number(backend.url.slice('http://backend-'.length))
  numbers.set(backend, number)
  return number
}
