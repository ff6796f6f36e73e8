/**
 * Tiers: the order in which backends are considered for a choice, from first to last. `unlimited`: the backend may have
 * its whole share of requests. `withinShare`: the backend may have only part of its share, and has not used that part
 * yet. `shareUsed`: the backend has used that part, and is chosen only if no backend of an earlier tier can be chosen.
 * `coolingDown`: the backend is chosen only if, in addition, the request cannot wait.
 */
export const tiers = { unlimited: 0, withinShare: 1, shareUsed: 2, coolingDown: 3 } as const

export type Tier = (typeof tiers)[keyof typeof tiers]

export const TIER_COUNT = 4
