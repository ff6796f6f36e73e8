import { type PolicyName, policyNames } from '../../../src/balancer/selection/policies/index.js'
import { play } from '../play.js'
import { exponential, same } from '../scene.js'
import { mean } from '../statistics.js'

/**
 * Mitzenmacher's supermarket model: customers choose a till, and their mean time in the shop follows from how
 * they choose. Many backends with one worker each, and exponential work with a mean of 1.
 */
export const supermarket = {
  title: 'The Power of Two Choices in Randomized Load Balancing',
  url: 'https://www.eecs.harvard.edu/~michaelm/postscripts/tpds2001.pdf',
  backends: 100,
  utilisations: [0.7, 0.9, 0.95],
  requests: 400_000,
}

export interface SupermarketRow {
  policy: PolicyName
  /** Mean time in units of the mean work, for each utilisation. */
  times: { utilisation: number; time: number }[]
}

export interface Supermarket {
  rows: SupermarketRow[]
  /** For infinitely many tills: at random, and the shorter line of two. */
  published: { utilisation: number; random: number; twoChoices: number }[]
}

export function playSupermarket(seed: number): Supermarket {
  const { backends, utilisations, requests } = supermarket
  const rows = policyNames.map((policy): SupermarketRow => {
    const times = utilisations.map((utilisation) => {
      const { latencies } = play(
        {
          backends: same(backends, { workers: 1 }),
          gateways: 1,
          requests,
          warmUp: requests / 4,
          load: { gap: exponential(1 / (backends * utilisation)) },
          work: exponential(1),
        },
        policy,
        seed,
      )
      return { utilisation, time: mean(latencies) }
    })
    return { policy, times }
  })
  const published = utilisations.map((utilisation) => ({
    utilisation,
    random: 1 / (1 - utilisation),
    twoChoices: twoChoices(utilisation),
  }))
  return { rows, published }
}

/** The sum over i of utilisation to the power of 2^i - 2, from i = 1 on. */
function twoChoices(utilisation: number): number {
  let sum = 0
  for (let i = 1; i < 32; i++) sum += utilisation ** (2 ** i - 2)
  return sum
}
