import type { Backend } from '../backends/backend.js'

/** What other gateways have on one backend, as they said last. */
export interface HeldElsewhere {
  /** Requests in flight: 0 or more, and a fraction while that fades. */
  readonly inFlight: number
  /** The same, but tunnels without traffic count only in part; see `Backend.ownLoad`. */
  readonly load: number
}

/** The backends of a pool, as far as they are needed here. */
interface Backends {
  withUrl(url: string): Backend | undefined
}

/** Brings what other gateways have in flight on the backends of a pool to those backends. */
export class LoadElsewhere {
  readonly #backends: Backends

  constructor(backends: Backends) {
    this.#backends = backends
  }

  /**
   * Takes over what other gateways have on backends. With several threads it is called in the control plane.
   * @param totals what all other gateways have together, by URL of backend; a backend that is not named keeps its total
   * @param _gateways number of other gateways that are heard
   */
  set(totals: ReadonlyMap<string, HeldElsewhere>, _gateways: number): void {
    for (const [url, { inFlight }] of totals) this.#backends.withUrl(url)?.counter.setElsewhere(inFlight, 0)
  }
}
