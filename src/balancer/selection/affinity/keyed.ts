import type { Policy } from '../policies/policy.js'
import type { SelectionParts } from '../selection-parts.js'
import { KeyedPolicy } from './keyed-policy.js'

/**
 * Returns a policy by which requests with a key go to their backends, where the pool wants that; otherwise the policy
 * itself.
 * @param countsQuietTunnels true if a tunnel without traffic counts like any request
 */
export function keyed(policy: Policy, parts: SelectionParts, countsQuietTunnels = false): Policy {
  const { affinity, registry, limits, keyCounts: counts } = parts
  if (!affinity) return policy
  return new KeyedPolicy(policy, {
    ...affinity,
    counts,
    countsQuietTunnels,
    kept: () => registry.kept,
    factorsOf: (backend, now) => limits.factorsOf(backend, now),
  })
}

/** Returns the policy for requests without a key. It keeps its turns. */
export function unkeyed(policy: Policy): Policy {
  return policy instanceof KeyedPolicy ? policy.inner : policy
}
