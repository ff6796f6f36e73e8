import type { RequestValues } from './request-values.js'
import type { RouteMatch } from './route-match.js'
import { type Condition, conditionsOf } from './specificity.js'

/** Above this number of candidates an index costs less than looking at each. */
const MAX_SCANNED = 8

/** A route among those of the same host and path. */
export interface Candidate {
  /** The place of the route in the table's list. */
  route: number
  /** Its place by specificity among the candidates; the lowest that matches is taken. */
  rank: number
  methods: readonly string[] | undefined
  /** What has to hold besides what the place in the index says already. */
  conditions: readonly Condition[]
}

export function candidate(route: number, rank: number, match: RouteMatch): Candidate {
  return { route, rank, methods: match.methods, conditions: conditionsOf(match) }
}

/**
 * Finds the most specific of many routes with the same host and path. Each route stands under that of its conditions which
 * the fewest routes have in common, so that a request looks only at the routes for values that it has.
 */
export class Candidates {
  /** By rank. */
  readonly #scanned: readonly Candidate[]
  readonly #indexes: readonly ConditionIndex[]
  readonly first: number

  /** @param candidates by rank, at least one */
  constructor(candidates: readonly Candidate[]) {
    this.first = (candidates[0] as Candidate).rank
    if (candidates.length <= MAX_SCANNED) {
      this.#scanned = candidates
      this.#indexes = []
      return
    }
    this.#scanned = candidates.filter(({ conditions }) => conditions.length === 0)
    this.#indexes = indexesOf(candidates.filter(({ conditions }) => conditions.length > 0))
  }

  find(request: RequestValues): Candidate | undefined {
    let best = this.#scanned.find((each) => matches(each, request))
    for (const index of this.#indexes) best = index.better(request, best)
    return best
  }
}

/** Whether methods and conditions of a candidate hold. */
export function matches({ methods, conditions }: Candidate, request: RequestValues): boolean {
  if (methods !== undefined && !methods.includes(request.method)) return false
  for (const { kind, name, value } of conditions) if (request.valueOf(kind, name) !== value) return false
  return true
}

type ByValue = Map<string, Candidates>

/** Candidates by one condition of theirs, of one kind. */
class ConditionIndex {
  readonly #kind: Condition['kind']
  readonly #byName: Map<string, ByValue>

  constructor(kind: Condition['kind'], byName: Map<string, ByValue>) {
    this.#kind = kind
    this.#byName = byName
  }

  /** What is found here if it is more specific than `best`, otherwise `best`. */
  better(request: RequestValues, best: Candidate | undefined): Candidate | undefined {
    const names = this.#byName.size <= MAX_SCANNED ? this.#byName.keys() : request.names(this.#kind)
    let found = best
    for (const name of names) {
      const byValue = this.#byName.get(name)
      if (!byValue) continue
      const value = request.valueOf(this.#kind, name)
      const candidates = value === undefined ? undefined : byValue.get(value)
      if (!candidates || (found && found.rank < candidates.first)) continue
      const next = candidates.find(request)
      if (next && (!found || next.rank < found.rank)) found = next
    }
    return found
  }
}

function indexesOf(candidates: readonly Candidate[]): ConditionIndex[] {
  const counts = new Map<string, number>()
  for (const { conditions } of candidates) {
    for (const condition of conditions) {
      const key = keyOf(condition)
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  }
  const kinds = { header: new Map(), query: new Map() } as Record<
    Condition['kind'],
    Map<string, Map<string, Candidate[]>>
  >
  for (const each of candidates) {
    const rarest = each.conditions.reduce((a, b) =>
      (counts.get(keyOf(b)) as number) < (counts.get(keyOf(a)) as number) ? b : a,
    )
    const byValue = entry(kinds[rarest.kind], rarest.name, () => new Map<string, Candidate[]>())
    entry(byValue, rarest.value, (): Candidate[] => []).push({
      ...each,
      conditions: each.conditions.filter((condition) => condition !== rarest),
    })
  }
  const indexes: ConditionIndex[] = []
  for (const kind of ['header', 'query'] as const) {
    if (kinds[kind].size === 0) continue
    const byName = new Map<string, ByValue>()
    for (const [name, byValue] of kinds[kind]) {
      byName.set(name, new Map([...byValue].map(([value, list]) => [value, new Candidates(list)])))
    }
    indexes.push(new ConditionIndex(kind, byName))
  }
  return indexes
}

function keyOf({ kind, name, value }: Condition): string {
  return JSON.stringify([kind, name, value])
}

/** The value of a key, which is made where there is none. */
export function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
