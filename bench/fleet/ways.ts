import type { Balancer } from '../../src/balancer/balancer.js'
import type { HeardCounts } from '../../src/balancer/fleet/counts-exchange.js'
import { ElsewhereCounts } from '../../src/balancer/fleet/elsewhere-counts.js'
import type { PolicyName } from '../../src/balancer/selection/policies/index.js'
import type { Timeline } from '../simulate/timeline.js'

/** What a gateway makes of what others say. */
export interface Hearing {
  heard(counts: HeardCounts): void
  /** The gateway has counted a request that begins or ends. */
  counted?(): void
}

/** A way in which gateways choose. */
export interface Way {
  readonly name: string
  readonly policy: PolicyName
  /** True if all gateways are one, which nobody can have: each knows of each request at once. */
  readonly isOne?: boolean
  /** Makes what hears the others; left out where nobody listens. */
  readonly listen?: (balancer: Balancer, timeline: Timeline) => Hearing
}

/** All ways. */
export const ways = {
  blind: { name: 'no counts: round robin by weight', policy: 'weighted-round-robin' },
  own: { name: 'own counts', policy: 'least-connections' },
  ownTwo: { name: 'own counts, two choices', policy: 'power-of-two' },
  one: { name: 'one exact count', policy: 'least-connections', isOne: true },
  leastwise: {
    name: 'leastwise',
    policy: 'least-connections',
    listen: (balancer, timeline) => new ElsewhereCounts(timeline, balancer.parts.loadElsewhere),
  },
  leastwiseTwo: {
    name: 'leastwise, two choices',
    policy: 'power-of-two',
    listen: (balancer, timeline) => new ElsewhereCounts(timeline, balancer.parts.loadElsewhere),
  },
  last: {
    name: 'own and last heard',
    policy: 'least-connections',
    listen: (balancer) => new LastHeard(balancer, 'own'),
  },
  lastTwo: {
    name: 'own and last heard, two choices',
    policy: 'power-of-two',
    listen: (balancer) => new LastHeard(balancer, 'own'),
  },
  published: {
    name: 'published totals',
    policy: 'least-connections',
    listen: (balancer) => new LastHeard(balancer, 'published'),
  },
} as const satisfies Record<string, Way>

export type WayName = keyof typeof ways

/**
 * Adds what others said last to a gateway's count, as it was said: the local shortest queue of Vargaftik, Keslassy and
 * Orda (https://arxiv.org/abs/2003.02368). With `published`, what the gateway itself has counts as it was said last, too,
 * so that all gateways go by the same list: the herd of M. Mitzenmacher, "How Useful Is Old Information?", 2000.
 */
class LastHeard implements Hearing {
  readonly #balancer: Balancer
  readonly #own: 'own' | 'published'
  readonly #said = new Map<string, HeardCounts>()
  readonly #sums = new Map<string, number>()

  constructor(balancer: Balancer, own: 'own' | 'published') {
    this.#balancer = balancer
    this.#own = own
  }

  heard(counts: HeardCounts): void {
    this.#add(this.#said.get(counts.gateway), -1)
    this.#add(counts, 1)
    this.#said.set(counts.gateway, counts)
    this.#apply()
  }

  counted(): void {
    if (this.#own === 'published') this.#apply()
  }

  #add(counts: HeardCounts | undefined, times: number): void {
    counts?.inFlight.forEach((count, place) => {
      const url = counts.urls[place] as string
      this.#sums.set(url, (this.#sums.get(url) ?? 0) + times * count)
    })
  }

  #apply(): void {
    const { registry, parts } = this.#balancer
    for (const backend of registry.list()) {
      const sum = this.#sums.get(backend.url) ?? 0
      const counted = this.#own === 'own' ? sum : sum - backend.ownLoad
      if (backend.counter.countedElsewhere === counted) continue
      backend.counter.setElsewhere(sum, counted)
      parts.selection.changed(backend)
    }
  }
}
