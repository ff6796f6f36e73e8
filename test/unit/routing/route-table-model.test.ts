import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RoutedRequest, RouteMatch } from '../../../src/routing/route-match.js'
import { RouteTable } from '../../../src/routing/route-table.js'
import { matches, matchesOfOnePath } from './matches.js'

const requests: fc.Arbitrary<RoutedRequest> = fc
  .record({
    method: fc.constantFrom('GET', 'PUT', 'POST'),
    host: fc.constantFrom(undefined, 'a.b.c', 'X.a.b.c:80', 'b.c', 'y.b.c.', 'z.x.a.b.c', 'c', 'other', '.c'),
    segments: fc.array(fc.constantFrom('a', 'b', 'c', 'ab', '%61', '', 'a%2Fb'), { maxLength: 4 }),
    headers: fc.dictionary(
      fc.constantFrom('h1', 'h2', 'h3', 'h4', 'host'),
      fc.constantFrom('1', '2', '1, 2'),
    ),
    query: fc.array(fc.constantFrom('q1=1', 'q1=2', 'q2=1', 'q%32=1', 'q2=%32', 'q2'), { maxLength: 3 }),
  })
  .map(({ segments, query, ...rest }) => ({
    ...rest,
    // Two slashes at the start may be read in a further way, which the tests of paths have.
    path: `${`/${segments.join('/')}`.replace(/^\/+/, '/')}${query.length > 0 ? `?${query.join('&')}` : ''}`,
  }))

/** How specific a match is, as numbers that are compared from left to right. */
function specificity({ host, path, methods, headers, query }: RouteMatch): number[] {
  const hostRank = host === undefined ? 0 : host.startsWith('*') ? host.split('.').length : 1_000
  return [
    hostRank,
    path.split('/').length,
    Number(methods !== undefined),
    Object.keys(headers).length,
    Object.keys(query).length,
  ]
}

function takes(match: RouteMatch, request: RoutedRequest, rawPath: string): boolean {
  const host = (request.host ?? '').toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
  if (match.host?.startsWith('*.')) {
    const below = match.host.slice(1)
    if (!host.endsWith(below) || host.length === below.length) return false
  } else if (match.host !== undefined && match.host !== host) return false
  const segments = rawPath.split('/').map(decodeURIComponent)
  const wanted = match.path.split('/')
  if (!wanted.every((segment, i) => segments[i] === segment)) return false
  if (match.methods && !match.methods.includes(request.method)) return false
  const query = new URLSearchParams(request.path.split('?')[1] ?? '')
  return (
    Object.entries(match.headers).every(([name, value]) => request.headers[name] === value) &&
    Object.entries(match.query).every(([name, value]) => query.get(name) === value)
  )
}

function scan(routes: readonly RouteMatch[], request: RoutedRequest, path: string): number | undefined {
  const ordered = routes
    .map((match, index) => ({ match, index, order: specificity(match) }))
    .sort((a, b) => {
      const at = a.order.findIndex((value, i) => value !== b.order[i])
      return at === -1 ? a.index - b.index : (b.order[at] as number) - (a.order[at] as number)
    })
  return ordered.find(({ match }) => takes(match, request, path))?.index
}

/** Readings of these requests: their paths have nothing but escaped slashes and empty segments. */
function readingsOf(path: string): string[] {
  const merged = (text: string) => text.replace(/\/+/g, '/')
  const separated = path.replaceAll('%2F', '/')
  return [path, merged(path), separated, merged(separated)]
}

test('the route is the one that a scan of all routes by specificity finds', () => {
  fc.assert(
    fc.property(
      fc.array(matches, { maxLength: 40, size: 'max' }),
      fc.array(requests, { minLength: 10, maxLength: 10 }),
      (routes, several) => {
        const table = new RouteTable(routes.map((match) => ({ match })))
        for (const request of several) {
          const path = request.path.split('?')[0] as string
          const found = readingsOf(path).map((reading) => scan(routes, request, reading))
          const plain = found[0]
          const expected = plain === undefined || found.every((each) => each === plain) ? plain : 'bad-path'
          assert.equal(table.find(request), expected)
        }
      },
    ),
    { numRuns: 400 },
  )
})

test('many routes of one host and path are told apart as a scan does', () => {
  fc.assert(
    fc.property(
      fc.array(matchesOfOnePath, { minLength: 20, maxLength: 80, size: 'max' }),
      fc.array(
        requests.map((request) => ({ ...request, path: request.path.replace(/^[^?]*/, '/a') })),
        { minLength: 10, maxLength: 10 },
      ),
      (routes, several) => {
        const table = new RouteTable(routes.map((match) => ({ match })))
        for (const request of several) assert.equal(table.find(request), scan(routes, request, '/a'))
      },
    ),
    { numRuns: 300 },
  )
})
