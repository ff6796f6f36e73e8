import { LeastConnections } from './least-connections.js'
import type { PolicyConstructor } from './policy.js'
import { RoundRobin } from './round-robin.js'

/**
 * Every policy there is. Settings, the admin API, the documentation's list and the contract suite follow
 * from this table: a new policy is a file and a row.
 */
export const policies = {
  'least-connections': LeastConnections,
  'round-robin': RoundRobin,
} satisfies Record<string, PolicyConstructor>

export type PolicyName = keyof typeof policies

export const policyNames = Object.keys(policies) as PolicyName[]

export function isPolicyName(name: string): name is PolicyName {
  return Object.hasOwn(policies, name)
}
