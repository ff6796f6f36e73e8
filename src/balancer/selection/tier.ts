/**
 * How willingly a backend is chosen, the least number first: `whole` for one that may have its whole share, `part` for
 * one that may have only part of it and has not had that yet, `spent` for one that has had it and is used only where
 * no other can take a request, and `resting` for one that is used only where a request cannot wait either.
 */
export const tiers = { whole: 0, part: 1, spent: 2, resting: 3 } as const

export type Tier = (typeof tiers)[keyof typeof tiers]

/** How many there are. */
export const TIERS = 4
