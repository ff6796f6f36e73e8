import fc from 'fast-check'
import type { RouteMatch } from '../../../src/routing/route-match.js'

const values = (names: string[]) =>
  fc
    .dictionary(fc.constantFrom(...names), fc.constantFrom('1', '2'), { maxKeys: 3 })
    .map((found) => ({ ...found }))

/** Matches of few hosts, paths, methods, names and values, so that many of them could take the same request. */
export const matches: fc.Arbitrary<RouteMatch> = fc.record({
  host: fc.constantFrom(undefined, 'a.b.c', 'x.a.b.c', '*.b.c', '*.c', '*.a.b.c', 'b.c'),
  path: fc.constantFrom('', '/a', '/a/b', '/a/b/c', '/b', '/ab'),
  methods: fc.option(fc.uniqueArray(fc.constantFrom('GET', 'PUT', 'OPTIONS'), { minLength: 1 }), {
    nil: undefined,
  }),
  headers: values(['h1', 'h2', 'h3', 'h4']),
  query: values(['q1', 'q2']),
})

/** Those of one host and one path, of which many have values in common. */
export const matchesOfOnePath: fc.Arbitrary<RouteMatch> = fc
  .tuple(matches, values(['h1', 'h2', 'h3']), values(['q1']))
  .map(([match, headers, query]) => ({ ...match, host: undefined, path: '/a', headers, query }))
