import { LeastConnections } from './policies/least-connections.js'
import type { Policy } from './policies/policy.js'

/** The golden ratio less 1: its multiples modulo 1 are spread evenly (https://en.wikipedia.org/wiki/Low-discrepancy_sequence). */
const GOLDEN_RATIO_PART = 0.618033988749895

/**
 * The policy for upgrades in a pool whose own policy heeds load. A tunnel stays for long and does not change how soon
 * requests are answered, so it goes where fewest requests and tunnels are, those without traffic included: they may all
 * become busy one day, and end together.
 * @param start from 0 to 1, where its random numbers begin; it takes none of the pool's, as an explanation that makes
 *   this policy must not change a later choice
 */
export function tunnelPolicy(start: number): Policy {
  let drawn = start
  return new LeastConnections(() => {
    drawn = (drawn + GOLDEN_RATIO_PART) % 1
    return drawn
  }, true)
}
