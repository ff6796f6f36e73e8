import { Backend } from '../../../src/balancer/backends/backend.js'
import { Lease } from '../../../src/balancer/leases/lease.js'
import { isPolicyName, policies, policyNames } from '../../../src/balancer/selection/policies/index.js'
import type { PolicyConstructor } from '../../../src/balancer/selection/policies/policy.js'
import { tiers } from '../../../src/balancer/selection/tier.js'
import { seeded } from '../../../test/support/random.js'
import { mean } from '../statistics.js'

/** n balls into n bins: requests that never end, and the backend that has most of them. */
export const balls = {
  title: 'The Power of Two Choices in Randomized Load Balancing',
  url: 'https://www.eecs.harvard.edu/~michaelm/postscripts/tpds2001.pdf',
  bins: [100, 1000, 10_000, 100_000],
  /** Rounds for each number of bins: fewer where there are more. */
  rounds: (bins: number) => Math.max(1, Math.min(100, 20_000 / bins)),
}

export interface BallsRow {
  /** `random` is no policy: each ball into any bin. */
  policy: string
  /** Mean of the fullest bin, for each number of bins. */
  fullest: { bins: number; load: number }[]
}

export interface Balls {
  rows: BallsRow[]
  /** The leading terms of the published results, which leave out a constant. */
  published: { bins: number; random: number; twoChoices: number }[]
}

export function playBalls(seed: number): Balls {
  const rows = ['random', ...policyNames].map((policy): BallsRow => ({ policy, fullest: [] }))
  for (const bins of balls.bins) {
    const random = seeded(seed)
    const backends = Array.from({ length: bins }, (_, i) => {
      return new Backend(`${i}`, new URL(`http://bin-${i}`), undefined, new Date(0))
    })
    for (const { policy, fullest } of rows) {
      const round = isPolicyName(policy)
        ? () => byPolicy(backends, policies[policy].policy, random)
        : () => atRandom(bins, random)
      fullest.push({ bins, load: mean(Array.from({ length: balls.rounds(bins) }, round)) })
    }
  }
  const published = balls.bins.map((bins) => ({
    bins,
    random: Math.log(bins) / Math.log(Math.log(bins)),
    twoChoices: Math.log(Math.log(bins)) / Math.log(2),
  }))
  return { rows, published }
}

function atRandom(bins: number, random: () => number): number {
  const loads = new Uint32Array(bins)
  for (let i = 0; i < bins; i++) {
    const bin = Math.floor(random() * bins)
    loads[bin] = (loads[bin] as number) + 1
  }
  return loads.reduce((a, b) => Math.max(a, b))
}

/** The policy by itself, as a pool of so many backends takes long to set up. */
function byPolicy(backends: readonly Backend[], Policy: PolicyConstructor, random: () => number): number {
  const policy = new Policy(random)
  policy.update(backends)
  const leases: Lease[] = []
  for (let ball = 0; ball < backends.length; ball++) {
    const backend = policy.pick({ now: 0, reach: tiers.withinShare })
    if (!backend) continue
    leases.push(Lease.open(backend, 0, backend.counter.claim(Number.POSITIVE_INFINITY, undefined)))
    policy.changed?.(backend)
  }
  const fullest = backends.reduce((most, { inFlight }) => Math.max(most, inFlight), 0)
  for (const lease of leases) lease.release('cancelled')
  return fullest
}
