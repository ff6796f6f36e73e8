import type { Lease } from '../../src/balancer/leases/lease.js'
import { Job, type Server } from './server.js'
import type { Timeline } from './timeline.js'

/** A request that holds a lease on its backend until the backend is done. */
export class LeasedRequest extends Job {
  readonly #timeline: Timeline
  readonly #lease: Lease
  readonly #done: (latency: number) => void

  /** @param done called with the milliseconds that it took */
  constructor(
    timeline: Timeline,
    server: Server,
    work: number,
    lease: Lease,
    done: (latency: number) => void,
  ) {
    super(server, work)
    this.#timeline = timeline
    this.#lease = lease
    this.#done = done
  }

  done(): void {
    this.#lease.answered(this.#timeline.now())
    this.#lease.release('ok')
    this.#done(this.#timeline.now() - this.#lease.acquiredAt)
  }
}
