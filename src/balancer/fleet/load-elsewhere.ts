import type { Backend } from '../backends/backend.js'
import type { FleetCounts } from '../changing-options.js'
import type { Clock } from '../time/clock.js'
import { AverageElsewhere } from './average-elsewhere.js'
import type { ElsewhereLoad, ElsewhereSink } from './elsewhere-counts.js'

/** Time between two looks at averages that are on their way. */
const LOOK_INTERVAL_MS = 200

/** The backends of a pool, as far as they are needed here. */
interface Backends {
  readonly eligible: readonly Backend[]
  withUrl(url: string): Backend | undefined
}

/**
 * Brings what other gateways have in flight to the backends of a pool: what they said last is shown, and its average
 * counts in the load that policies compare. Where nobody is heard, it does nothing. With several threads it works in the
 * control plane, and the other threads find its numbers in shared memory.
 */
export class LoadElsewhere implements ElsewhereSink {
  readonly #backends: Backends
  readonly #clock: Clock
  readonly #random: () => number
  readonly #loadChanged: (backend: Backend) => void
  #mode: FleetCounts
  /** Undefined until another gateway is heard. */
  #averages: AverageElsewhere | undefined
  #cancelTimer: (() => void) | undefined
  #isClosed = false

  /** @param loadChanged called when the `load` of a backend changed */
  constructor(
    backends: Backends,
    clock: Clock,
    random: () => number,
    mode: FleetCounts,
    loadChanged: (backend: Backend) => void,
  ) {
    this.#backends = backends
    this.#clock = clock
    this.#random = random
    this.#mode = mode
    this.#loadChanged = loadChanged
  }

  set(totals: ReadonlyMap<string, Readonly<ElsewhereLoad>>, gateways: number): void {
    if (!this.#averages && totals.size === 0) return
    const averages = this.#averages ?? this.#begin()
    averages.advance(this.#clock.now())
    averages.setGateways(gateways)
    for (const [url, { inFlight, load }] of totals) {
      const backend = this.#backends.withUrl(url)
      if (!backend) continue
      averages.setTotal(backend, load)
      backend.counter.setElsewhere(inFlight, backend.countedElsewhere)
    }
    this.#apply(averages)
  }

  /** Takes over the backends that can be chosen, before a policy does. */
  eligibleChanged(eligible: readonly Backend[]): void {
    const averages = this.#averages
    if (!averages) return
    averages.advance(this.#clock.now())
    averages.choosable(eligible)
    this.#apply(averages)
  }

  /** Tells whether what other gateways have counts from now on; it is shown in any case. */
  use(mode: FleetCounts): void {
    this.#mode = mode
    if (this.#averages) this.#apply(this.#averages)
  }

  /** Cancels the timer. What is heard after that is of no use. */
  close(): void {
    this.#isClosed = true
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  readonly #count = (backend: Backend, average: number): void => {
    const counted = this.#mode === 'on' ? average : 0
    if (counted === backend.countedElsewhere) return
    backend.counter.setElsewhere(backend.inFlightElsewhere, counted)
    this.#loadChanged(backend)
  }

  #begin(): AverageElsewhere {
    this.#averages = new AverageElsewhere(this.#random, this.#clock.now())
    this.#averages.choosable(this.#backends.eligible)
    return this.#averages
  }

  #apply(averages: AverageElsewhere): void {
    averages.each(this.#count)
    if (this.#isClosed || averages.isSettled) return
    this.#cancelTimer ??= this.#clock.after(LOOK_INTERVAL_MS, () => {
      this.#cancelTimer = undefined
      averages.advance(this.#clock.now())
      this.#apply(averages)
    })
  }
}
