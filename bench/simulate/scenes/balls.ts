import { Balancer } from '../../../src/balancer/balancer.js'
import { policyNames } from '../../../src/balancer/policies/index.js'
import { seeded } from '../../../test/support/random.js'
import { mean } from '../statistics.js'
import { Timeline } from '../timeline.js'

/** n balls into n bins: requests that never end, and the backend that has most of them. */
export const balls = {
  title: 'The Power of Two Choices in Randomized Load Balancing',
  url: 'https://www.eecs.harvard.edu/~michaelm/postscripts/tpds2001.pdf',
  bins: [100, 1000, 10_000],
  /** Rounds for each number of bins: fewer where there are more. */
  rounds: (bins: number) => Math.max(5, Math.min(100, 100_000 / bins)),
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
    const balancer = new Balancer({
      clock: new Timeline(),
      random,
      backends: Array.from({ length: bins }, (_, i) => `http://bin-${i}`),
    })
    for (const { policy, fullest } of rows) {
      const round =
        policy === 'random' ? () => atRandom(bins, random) : () => byPolicy(balancer, policy, bins)
      fullest.push({ bins, load: mean(Array.from({ length: balls.rounds(bins) }, round)) })
    }
    balancer.close()
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

function byPolicy(balancer: Balancer, policy: string, bins: number): number {
  balancer.policy = policy
  const leases = Array.from({ length: bins }, () => balancer.acquire())
  const fullest = balancer.registry.list().reduce((most, { inFlight }) => Math.max(most, inFlight), 0)
  for (const lease of leases) lease.release('cancelled')
  return fullest
}
