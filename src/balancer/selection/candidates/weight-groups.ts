import type { Backend } from '../../backends/backend.js'
import type { ListNode } from '../../structures/linked-list.js'

/** A backend, as a member of the group of its weight. */
export interface GroupedCandidate<G, C> extends ListNode<C> {
  readonly backend: Backend
  group: G
  /**
   * The candidate's place among equals: the least is first. A policy that moves a candidate to the end gives it a
   * larger number.
   */
  since: number
}

/** Backends of one weight. */
export interface WeightGroup<C> {
  readonly weight: number
  /** Number of backends in the group, full ones included. */
  size: number
  /** Returns true if a candidate is where it belongs; the limit or tier of its backend may have changed. */
  isInPlace(candidate: C): boolean
  /** Puts a candidate where it belongs, first among equals. */
  placeFirst(candidate: C): void
  /** Takes a candidate out of the group. */
  remove(candidate: C): void
}

/** The part of the grouping that differs between policies. */
export interface GroupingPolicy<G, C> {
  makeGroup(weight: number): G
  makeCandidate(backend: Backend, group: G): C
  /** Puts a candidate where it belongs, last among equals. */
  place(candidate: C): void
}

/**
 * Backends in groups of equal weight, so that the cost of a choice grows with the number of different weights, and not
 * with the number of backends.
 */
export class WeightGroups<G extends WeightGroup<C>, C extends GroupedCandidate<G, C>> {
  readonly candidates = new Map<Backend, C>()
  list: G[] = []
  readonly #policy: GroupingPolicy<G, C>
  /** A number that decreases with each update that brings new backends. */
  #earliest = 0

  constructor(policy: GroupingPolicy<G, C>) {
    this.#policy = policy
  }

  /**
   * Takes over a new set of eligible backends.
   * @param onNewGroups called with the new groups, which have their members already, before new backends get their
   *   places
   */
  update(
    eligible: readonly Backend[],
    random: () => number,
    onNewGroups?: (groups: readonly G[]) => void,
  ): void {
    const known = this.list.length
    const joined: C[] = []
    for (const backend of eligible) {
      const candidate = this.candidates.get(backend)
      if (!candidate) joined.push(this.#join(backend))
      else if (candidate.group.weight !== backend.weight) this.#regroup(candidate)
      else if (!candidate.group.isInPlace(candidate)) this.#policy.place(candidate)
    }
    this.#dismissOthers(eligible)
    onNewGroups?.(this.list.slice(known))
    // New backends come first, in random order, because gateways that start together should not all begin with the same
    // one.
    for (const candidate of joined) candidate.since = this.#earliest - random()
    joined.sort((a, b) => b.since - a.since)
    for (const candidate of joined) candidate.group.placeFirst(candidate)
    if (joined.length > 0) this.#earliest--
    this.list = this.list.filter(({ size }) => size > 0)
  }

  #join(backend: Backend): C {
    const group = this.#groupOf(backend.weight)
    group.size++
    const candidate = this.#policy.makeCandidate(backend, group)
    this.candidates.set(backend, candidate)
    return candidate
  }

  #regroup(candidate: C): void {
    this.#leave(candidate)
    candidate.group = this.#groupOf(candidate.backend.weight)
    candidate.group.size++
    this.#policy.place(candidate)
  }

  #dismissOthers(eligible: readonly Backend[]): void {
    if (this.candidates.size === eligible.length) return
    const remaining = new Set(eligible)
    for (const [backend, candidate] of this.candidates) {
      if (remaining.has(backend)) continue
      this.#leave(candidate)
      this.candidates.delete(backend)
    }
  }

  #leave(candidate: C): void {
    candidate.group.remove(candidate)
    candidate.group.size--
  }

  #groupOf(weight: number): G {
    let group = this.list.find((one) => one.weight === weight)
    if (!group) {
      group = this.#policy.makeGroup(weight)
      this.list.push(group)
    }
    return group
  }
}
