import type { PoolTable } from '../threads/table.js'
import { LeastConnections } from './policies/least-connections.js'
import type { Policy } from './policies/policy.js'
import { SharedLeastConnections } from './policies/shared-least-connections.js'

/**
 * The golden ratio less 1. Its multiples modulo 1 are spread evenly
 * (https://en.wikipedia.org/wiki/Low-discrepancy_sequence).
 */
const GOLDEN_RATIO_PART = 0.618033988749895

/**
 * Makes the policy for upgrades, in a pool whose own policy depends on load. A tunnel stays for long and does not
 * change how soon requests are answered, so an upgrade goes to the backend with the fewest requests and tunnels for its
 * weight. Tunnels without traffic count in full, because they may all become busy one day, and end together.
 * @param start from 0 to 1, where the policy's own sequence of numbers begins; it takes no random numbers of the pool,
 *   because an explanation that makes this policy must not change a later choice
 * @param table the table in which threads that share the pool count; undefined in a pool with one thread
 */
export function tunnelPolicy(start: number, table: PoolTable | undefined): Policy {
  let drawn = start
  const draw = () => {
    drawn = (drawn + GOLDEN_RATIO_PART) % 1
    return drawn
  }
  return table ? new SharedLeastConnections(draw, table, true) : new LeastConnections(draw, true)
}
