import type { Backend } from '../../src/balancer/backend.js'
import { Balancer } from '../../src/balancer/balancer.js'
import type { Lease } from '../../src/balancer/lease.js'
import { Hedging } from './hedging.js'
import type { Scene } from './scene.js'
import { Job, type Server } from './server.js'
import type { Timeline } from './timeline.js'

/** One request of a client. */
export interface Request {
  /** It is the so-and-so-many-th, from 0. */
  readonly number: number
  /** When it came. */
  readonly due: number
  readonly work: number
}

/** Told of what a gateway does. */
export interface Observer {
  /** @param backend index of the one that was chosen */
  sent(request: Request, backend: number): void
  answered(request: Request): void
}

/** A gateway: a real pool of leastwise, in simulated time, before simulated servers. */
export class Gateway {
  /** Second tries. */
  hedges = 0
  readonly balancer: Balancer
  readonly #timeline: Timeline
  readonly #servers: readonly Server[]
  readonly #indexes: Map<Backend, number>
  readonly #hedging: Hedging | undefined
  readonly #observer: Observer

  constructor(
    scene: Scene,
    policy: string,
    timeline: Timeline,
    servers: readonly Server[],
    random: () => number,
    observer: Observer,
  ) {
    this.balancer = new Balancer({
      policy,
      clock: timeline,
      random,
      backends: scene.backends.map(({ weight }, i) => ({ url: `http://backend-${i}`, weight })),
    })
    this.#timeline = timeline
    this.#servers = servers
    this.#indexes = new Map(this.balancer.registry.list().map((backend, i) => [backend, i]))
    this.#hedging = scene.hedging && new Hedging(scene.hedging, timeline)
    this.#observer = observer
  }

  handle(request: Request): void {
    const first = this.#try(request)
    if (!this.#hedging) return
    this.#hedging.budget.request()
    const { delay } = this.#hedging
    if (delay !== undefined) this.#timeline.after(delay, () => this.#hedge(request, first))
  }

  /** A job was done, if anybody still waits for it. */
  answered(attempt: Attempt): void {
    const { lease, request, rival } = attempt
    if (!lease.held) return
    const now = this.#timeline.now()
    lease.answered(now)
    lease.release('ok')
    if (rival) {
      rival.server.withdraw(rival)
      rival.lease.release('cancelled')
    }
    this.#hedging?.answered(now - request.due)
    this.#observer.answered(request)
  }

  #hedge(request: Request, first: Attempt): void {
    if (!first.lease.held || !this.#hedging?.budget.retry()) return
    this.hedges++
    const second = this.#try(request, new Set([first.lease.backend]))
    second.rival = first
    first.rival = second
  }

  #try(request: Request, except?: ReadonlySet<Backend>): Attempt {
    const lease = this.balancer.acquire(except)
    const index = this.#indexes.get(lease.backend) as number
    const server = this.#servers[index] as Server
    const attempt = new Attempt(this, request, lease, server)
    this.#observer.sent(request, index)
    server.take(attempt)
    return attempt
  }
}

/** One request on one backend. */
class Attempt extends Job {
  readonly lease: Lease
  readonly request: Request
  /** The other try of the same request. */
  rival: Attempt | undefined
  readonly #gateway: Gateway

  constructor(gateway: Gateway, request: Request, lease: Lease, server: Server) {
    super(server, request.work)
    this.#gateway = gateway
    this.request = request
    this.lease = lease
  }

  done(): void {
    this.#gateway.answered(this)
  }
}
