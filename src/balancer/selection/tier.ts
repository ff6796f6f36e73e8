/**
 * The order in which backends are considered for a choice, from first to last. `unlimited`: the backend may have its
 * whole share. `withinShare`: it may have only part of it, and has not used that yet. `shareUsed`: it has, and is chosen
 * only where no backend of the tiers before can be. `coolingDown`: it is chosen only where a request cannot wait either.
 */
export const tiers = { unlimited: 0, withinShare: 1, shareUsed: 2, coolingDown: 3 } as const

export type Tier = (typeof tiers)[keyof typeof tiers]

export const TIER_COUNT = 4
