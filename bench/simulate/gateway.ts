import type { Backend } from '../../src/balancer/backends/backend.js'
import { Balancer } from '../../src/balancer/balancer.js'
import type { Lease } from '../../src/balancer/leases/lease.js'
import type { Wait } from '../../src/balancer/resilience/hedging.js'
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
      hedge: scene.hedging?.after,
      hedgeBudget: scene.hedging?.budget,
      backends: scene.backends.map(({ weight }, i) => ({ url: `http://backend-${i}`, weight })),
    })
    this.#timeline = timeline
    this.#servers = servers
    this.#indexes = new Map(this.balancer.registry.list().map((backend, i) => [backend, i]))
    this.#observer = observer
  }

  handle(request: Request): void {
    this.balancer.requested()
    const first = this.#begin(request, this.balancer.acquire())
    first.wait = this.balancer.hedging.expect(() => this.#hedge(first))
  }

  /** A job was done, if anybody still waits for it. */
  answered(attempt: Attempt): void {
    const { lease, request, rival, wait } = attempt
    if (!lease.held) return
    wait?.answered()
    lease.answered(this.#timeline.now())
    lease.release('ok')
    if (rival && rival.lease.acquiredAt < lease.acquiredAt) this.balancer.lostToHedge(rival.lease)
    rival?.lease.cut(new Error('the other try was faster'))
    this.#observer.answered(request)
  }

  #hedge(first: Attempt): boolean {
    const lease = this.balancer.leaseForHedge(new Set([first.lease.backend]))
    if (!lease) return false
    this.hedges++
    const second = this.#begin(first.request, lease)
    second.wait = first.wait
    second.rival = first
    first.rival = second
    return true
  }

  #begin(request: Request, lease: Lease): Attempt {
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
  /** What both tries are waited for with. */
  wait: Wait | undefined
  readonly #gateway: Gateway

  constructor(gateway: Gateway, request: Request, lease: Lease, server: Server) {
    super(server, request.work)
    this.#gateway = gateway
    this.request = request
    this.lease = lease
    lease.onCut = () => {
      server.withdraw(this)
      lease.release('cancelled')
    }
  }

  done(): void {
    this.#gateway.answered(this)
  }
}
