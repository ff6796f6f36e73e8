import { LeastConnections } from './least-connections.js'
import { LeastResponseTime } from './least-response-time.js'
import type { PolicyConstructor } from './policy.js'
import { PowerOfTwo } from './power-of-two.js'
import { RoundRobin } from './round-robin.js'
import { WeightedRoundRobin } from './weighted-round-robin.js'

/**
 * Every policy there is. Settings, the admin API, the documentation's list and the contract suite follow
 * from this table: a new policy is a file and a row.
 */
export const policies = {
  'least-connections': LeastConnections,
  'least-response-time': LeastResponseTime,
  'power-of-two': PowerOfTwo,
  'round-robin': RoundRobin,
  'weighted-round-robin': WeightedRoundRobin,
} satisfies Record<string, PolicyConstructor>

export type PolicyName = keyof typeof policies

export const policyNames = Object.keys(policies) as PolicyName[]

export function isPolicyName(name: string): name is PolicyName {
  return Object.hasOwn(policies, name)
}
