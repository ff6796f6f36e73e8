import { entry } from './candidates.js'
import { decodedPath, routePath } from './path.js'
import type { RouteMatch } from './route-match.js'
import { conditionsOf } from './specificity.js'

/** Upper bound of the comparisons in one call, which takes less than half a second. */
const MAX_STEPS = 2_000_000

interface Entry {
  index: number
  methods: readonly string[] | undefined
  /** Values that are asked for, by kind and name. */
  values: ReadonlyMap<string, string>
}

/**
 * Pairs of matches that can take the same request and are equally specific, so that only their order in the file would
 * decide: with the same host and path, both with methods or both without, equal numbers of header fields and of query
 * parameters, a method in common, and no field or parameter for which they ask different values.
 * @returns places in `matches`, the earlier one first, in the order of the later ones; at most `limit`
 */
export function ambiguousPairs(matches: readonly RouteMatch[], limit = 100): [number, number][] {
  const groups = new Map<string, Entry[]>()
  for (const [index, match] of matches.entries()) {
    const values = new Map(conditionsOf(match).map(({ kind, name, value }) => [`${kind} ${name}`, value]))
    const { host = '', path, methods, headers } = match
    const counts = [methods !== undefined, Object.keys(headers).length, values.size]
    const key = JSON.stringify([host, routePath(path) ?? decodedPath(path), ...counts])
    entry(groups, key, (): Entry[] => []).push({ index, methods, values })
  }
  const search = new Search(limit)
  for (const group of groups.values()) search.within(group, new Set())
  return search.pairs.sort(([, a], [, b]) => a - b)
}

/** Looks for pairs without comparing each with each: those that ask different values of one name are never compared. */
class Search {
  readonly pairs: [number, number][] = []
  readonly #limit: number
  #steps = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Pairs among `entries`. The names in `done` are those by whose values they have been told apart. */
  within(entries: readonly Entry[], done: ReadonlySet<string>): void {
    if (entries.length < 2 || this.#isOver(entries.length)) return
    const name = mostCommon(entries, done)
    if (name === undefined) {
      this.#compatible(entries)
      return
    }
    const parts = partsOf(entries, name)
    const next = new Set([...done, name])
    for (const part of parts.byValue.values()) this.within(part, next)
    this.#between(parts.having, parts.without, next)
    this.within(parts.without, next)
  }

  /** Pairs of one of `a` and one of `b`. */
  #between(a: readonly Entry[], b: readonly Entry[], done: ReadonlySet<string>): void {
    if (a.length === 0 || b.length === 0 || this.#isOver(a.length + b.length)) return
    const name = commonToBoth(a, b, done)
    if (name === undefined) {
      this.#pairWith(byMethod(a), b)
      return
    }
    const inA = partsOf(a, name)
    const inB = partsOf(b, name)
    const next = new Set([...done, name])
    for (const [value, part] of inA.byValue) this.#between(part, inB.byValue.get(value) ?? [], next)
    this.#between(inA.having, inB.without, next)
    this.#between(inA.without, b, next)
  }

  /** Pairs among entries of which only methods tell one from another. */
  #compatible(entries: readonly Entry[]): void {
    const known = new Map<string, Entry[]>()
    for (const each of entries) {
      this.#pairWith(known, [each])
      for (const method of each.methods ?? ['']) entry(known, method, (): Entry[] => []).push(each)
    }
  }

  #pairWith(known: ReadonlyMap<string, readonly Entry[]>, entries: readonly Entry[]): void {
    for (const { index, methods } of entries) {
      const others = new Set(
        (methods ?? ['']).flatMap((method) => known.get(method)?.slice(0, this.#limit) ?? []),
      )
      for (const other of others) {
        if (this.#isOver(1)) return
        this.pairs.push([Math.min(index, other.index), Math.max(index, other.index)])
      }
    }
  }

  #isOver(steps: number): boolean {
    this.#steps += steps
    return this.pairs.length >= this.#limit || this.#steps > MAX_STEPS
  }
}

function byMethod(entries: readonly Entry[]): Map<string, Entry[]> {
  const found = new Map<string, Entry[]>()
  for (const each of entries) {
    for (const method of each.methods ?? ['']) entry(found, method, (): Entry[] => []).push(each)
  }
  return found
}

/** How many of these ask for each name, besides those in `done`. */
function countsOf(entries: readonly Entry[], done: ReadonlySet<string>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { values } of entries) {
    for (const name of values.keys()) if (!done.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

/** The name for which most of these ask; undefined where no two ask for the same. */
function mostCommon(entries: readonly Entry[], done: ReadonlySet<string>): string | undefined {
  return keyOfHighest(countsOf(entries, done), 2)
}

/** The name for which most of these ask, if some on both sides do. */
function commonToBoth(
  a: readonly Entry[],
  b: readonly Entry[],
  done: ReadonlySet<string>,
): string | undefined {
  const inB = countsOf(b, done)
  const products = [...countsOf(a, done)].map(
    ([name, count]) => [name, count * (inB.get(name) ?? 0)] as const,
  )
  return keyOfHighest(products, 1)
}

function keyOfHighest(counts: Iterable<readonly [string, number]>, atLeast: number): string | undefined {
  let best: string | undefined
  let highest = atLeast - 1
  for (const [key, count] of counts) {
    if (count <= highest) continue
    best = key
    highest = count
  }
  return best
}

function partsOf(
  entries: readonly Entry[],
  name: string,
): { byValue: Map<string, Entry[]>; having: Entry[]; without: Entry[] } {
  const byValue = new Map<string, Entry[]>()
  const having: Entry[] = []
  const without: Entry[] = []
  for (const each of entries) {
    const value = each.values.get(name)
    if (value === undefined) {
      without.push(each)
      continue
    }
    having.push(each)
    entry(byValue, value, (): Entry[] => []).push(each)
  }
  return { byValue, having, without }
}
