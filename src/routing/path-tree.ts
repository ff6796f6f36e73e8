import { type Candidate, Candidates, candidate, entry } from './candidates.js'
import { answersPreflight, distinctForPreflight, type Preflight } from './preflight.js'
import type { RequestValues } from './request-values.js'
import type { MatchedRoute } from './route-match.js'
import { compareConditions } from './specificity.js'

interface Node {
  children: Map<string, Node>
  /** The routes of just this path, as they stand in the list. */
  routes: number[]
  candidates: Candidates | undefined
  /** The candidates that answer preflights. */
  preflights: readonly Candidate[]
  /** The next node towards the root that has routes. */
  above: Node | undefined
}

/** The routes of one host, by the segments of their paths. */
export class PathTree {
  readonly #root: Node = emptyNode()

  /** @param path decoded, without a slash at its end; empty for any path */
  add(path: string, route: number): void {
    let node = this.#root
    if (path !== '') {
      for (const segment of path.slice(1).split('/')) node = entry(node.children, segment, emptyNode)
    }
    node.routes.push(route)
  }

  /**
   * Has to be called once all routes are added: orders those of each node, and links it to the one above. It does so without
   * recursion, as a path may be long.
   */
  complete(list: readonly MatchedRoute[]): void {
    const open: Node[] = [this.#root]
    for (let node = open.pop(); node; node = open.pop()) {
      if (node.routes.length > 0) order(node, list)
      const above = node.candidates ? node : node.above
      for (const child of node.children.values()) {
        child.above = above
        open.push(child)
      }
    }
  }

  /** The route of the longest path that takes a request. */
  find(path: string, values: RequestValues, preflight: Preflight | undefined): number | undefined {
    const deepest = this.#descend(path)
    for (let node = deepest.candidates ? deepest : deepest.above; node; node = node.above) {
      const found = (node.candidates as Candidates).find(values)
      const forPreflight =
        preflight && node.preflights.find((each) => answersPreflight(each, values, preflight))
      const best = !found || (forPreflight && forPreflight.rank < found.rank) ? forPreflight : found
      if (best) return best.route
    }
    return undefined
  }

  /** The node of the longest path in the tree that a path begins with. */
  #descend(path: string): Node {
    if (!path.startsWith('/')) return this.#root
    let node = this.#root
    for (let start = 1, end = 0; end !== -1; start = end + 1) {
      end = path.indexOf('/', start)
      const child = node.children.get(end === -1 ? path.slice(start) : path.slice(start, end))
      if (!child) break
      node = child
    }
    return node
  }
}

function order(node: Node, list: readonly MatchedRoute[]): void {
  const matchOf = (route: number) => (list[route] as MatchedRoute).match
  const byRank = node.routes
    .sort((a, b) => compareConditions(matchOf(a), matchOf(b)) || a - b)
    .map((route, rank) => candidate(route, rank, matchOf(route)))
  node.candidates = new Candidates(byRank)
  node.preflights = distinctForPreflight(byRank.filter(({ route }) => list[route]?.cors !== undefined))
}

function emptyNode(): Node {
  return { children: new Map(), routes: [], candidates: undefined, preflights: [], above: undefined }
}
