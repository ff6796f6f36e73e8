import type { PoolTable } from '../../threads/table.js'
import { LeastConnections } from './least-connections.js'
import { LeastResponseTime } from './least-response-time.js'
import type { Policy, PolicyConstructor, SharedPolicyConstructor } from './policy.js'
import { PowerOfTwo } from './power-of-two.js'
import { RoundRobin } from './round-robin.js'
import { SharedLeastConnections } from './shared-least-connections.js'
import { SharedRoundRobin } from './shared-round-robin.js'
import { SharedWeightedRoundRobin } from './shared-weighted-round-robin.js'
import { WeightedRoundRobin } from './weighted-round-robin.js'

interface PolicyRow {
  readonly policy: PolicyConstructor
  /** The policy where threads share the pool; the same one if it keeps nothing that follows from counts. */
  readonly shared?: SharedPolicyConstructor
  /** Says in one line which backend gets the next request; `docs/concepts/selection.md` has the same text. */
  readonly meaning: string
}

/**
 * All policies. Settings, the admin API, the dashboard, the benchmarks and the contract suites are derived from this
 * table, so a new policy is a file and a row.
 */
export const policies = {
  'least-connections': {
    policy: LeastConnections,
    shared: SharedLeastConnections,
    meaning: 'the backend with the fewest requests in flight for its weight',
  },
  'least-response-time': {
    policy: LeastResponseTime,
    shared: LeastResponseTime,
    meaning:
      'the backend that is expected to respond first: its response time, times its requests in flight, over its weight',
  },
  'power-of-two': {
    policy: PowerOfTwo,
    shared: PowerOfTwo,
    meaning: 'the less loaded of two different backends that are drawn at random',
  },
  'round-robin': {
    policy: RoundRobin,
    shared: SharedRoundRobin,
    meaning: 'each backend in turn, whatever its weight and load',
  },
  'weighted-round-robin': {
    policy: WeightedRoundRobin,
    shared: SharedWeightedRoundRobin,
    meaning: 'each backend in turn, as often as its weight says, evenly spread',
  },
} as const satisfies Record<string, PolicyRow>

export type PolicyName = keyof typeof policies

export const policyNames = Object.keys(policies) as PolicyName[]

export function isPolicyName(name: string): name is PolicyName {
  return Object.hasOwn(policies, name)
}

/**
 * Makes a policy.
 * @param table the table in which threads that share the pool count; undefined in a pool with one thread
 */
export function newPolicy(name: PolicyName, random: () => number, table: PoolTable | undefined): Policy {
  const { policy, shared = policy }: PolicyRow = policies[name]
  return table ? new shared(random, table) : new policy(random)
}
