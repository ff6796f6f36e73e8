import type { HeardCounts } from '../../src/balancer/fleet/counts-exchange.js'
import type { Timeline } from '../simulate/timeline.js'

/** One gateway in the exchange of counts. */
export interface Talker {
  /** Returns what it has in flight. */
  counts(): HeardCounts
  /** Takes what another gateway said. */
  heard(counts: HeardCounts): void
}

export interface Lateness {
  /** Milliseconds between two messages of a gateway. */
  readonly interval: number
  /** Milliseconds that a message takes. */
  readonly delay: number
}

/** Carries what simulated gateways have in flight to each other, late. */
export class LateExchange {
  readonly #timeline: Timeline
  readonly #lateness: Lateness
  readonly #until: number
  readonly #talkers = new Set<Talker>()

  /** @param until the time from which nobody says anything any more */
  constructor(timeline: Timeline, lateness: Lateness, until: number) {
    this.#timeline = timeline
    this.#lateness = lateness
    this.#until = until
  }

  /**
   * Lets a gateway speak and hear.
   * @param random tells when it speaks for the first time: gateways do not speak all at once
   */
  join(talker: Talker, random: () => number): void {
    const { interval, delay } = this.#lateness
    this.#talkers.add(talker)
    const speaking = {
      happen: () => {
        if (!this.#talkers.has(talker) || this.#timeline.now() > this.#until) return
        const counts = talker.counts()
        this.#timeline.plan(this.#timeline.now() + delay, { happen: () => this.#carry(talker, counts) })
        this.#timeline.plan(this.#timeline.now() + interval, speaking)
      },
    }
    this.#timeline.plan(this.#timeline.now() + interval * random(), speaking)
  }

  /** A gateway vanishes: it says nothing more, not even that. */
  vanish(talker: Talker): void {
    this.#talkers.delete(talker)
  }

  #carry(from: Talker, counts: HeardCounts): void {
    for (const talker of this.#talkers) if (talker !== from) talker.heard(counts)
  }
}
