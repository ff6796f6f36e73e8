import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { explainMatch } from '../../../src/routing/explain-match.js'
import type { RoutedRequest, RouteMatch } from '../../../src/routing/route-match.js'
import { RouteTable } from '../../../src/routing/route-table.js'
import { matches } from './matches.js'

const anything: RouteMatch = { host: undefined, path: '', methods: undefined, headers: {}, query: {} }

function explain(request: Partial<RoutedRequest>, ...list: Partial<RouteMatch>[]) {
  const table = new RouteTable(list.map((match) => ({ match: { ...anything, ...match } })))
  return explainMatch(table, {
    method: 'GET',
    host: 'api.example.com',
    path: '/users/1',
    headers: {},
    ...request,
  })
}

test('the route is told with what it asked for, and others with why not', () => {
  const users = { host: 'api.example.com', path: '/users', methods: ['GET'], headers: { v: '2' }, query: {} }
  const explanation = explain(
    { headers: { v: '2' } },
    users,
    { ...users, methods: ['PUT'] },
    { ...users, headers: { v: '3' } },
    { ...users, headers: { w: '1' } },
    { ...users, query: { q: '1' } },
    { ...users, methods: undefined },
    { ...users, headers: {} },
    { path: '/users' },
    { host: '*.example.com' },
    { host: 'other', path: '/users' },
    { path: '/users/2' },
    { host: 'other', path: '/none' },
  )
  assert.deepEqual(explanation, {
    outcome: 'route',
    route: 0,
    reason: 'the most specific that holds: host api.example.com; path /users; method GET; header v "2"',
    others: [
      { route: 6, reason: 'everything holds, but it asks for fewer header fields' },
      { route: 5, reason: 'everything holds, but it names no methods' },
      {
        route: 8,
        reason: 'everything holds, but its host, *.example.com, is less specific than api.example.com',
      },
      { route: 7, reason: 'everything holds, but its host, any, is less specific than api.example.com' },
      { route: 4, reason: 'query parameter q is missing, and the route asks for "1"' },
      { route: 1, reason: 'method is GET, and the route is for PUT' },
      { route: 2, reason: 'header v is "2", and the route asks for "3"' },
      { route: 3, reason: 'header w is missing, and the route asks for "1"' },
      { route: 9, reason: 'host is api.example.com, and the route is for other' },
      { route: 10, reason: 'path is /users/1, and the route is for /users/2' },
    ],
  })
})

test('what no route takes, and a path that must not be forwarded', () => {
  assert.deepEqual(explain({ host: undefined, path: '/x' }, { host: 'a' }), {
    outcome: 'no-route',
    route: undefined,
    reason: 'no route takes it',
    others: [{ route: 0, reason: 'host is missing, and the route is for a' }],
  })
  const paths: [string, string][] = [
    ['/x/..%2fadmin', 'a backend may read this path as /admin, which is not for the same route'],
    ['/%zz', 'the path is malformed'],
    [`/${'%2e;\\/'.repeat(20_000)}`, 'the path can be read in too many ways'],
  ]
  for (const [path, reason] of paths) {
    const explanation = explain({ path }, {}, { path: '/admin' })
    assert.equal(explanation.outcome, 'bad-path')
    assert.equal(explanation.reason, reason)
  }
})

test('a field that every object has by its prototype is missing', () => {
  const { others } = explain({}, { headers: { constructor: 'x' } as never })
  assert.deepEqual(others, [
    { route: 0, reason: 'header constructor is missing, and the route asks for "x"' },
  ])
})

test('a preflight is explained as one', () => {
  const table = new RouteTable([{ match: { ...anything, methods: ['PUT'] }, cors: {} }])
  const headers = { origin: 'https://a', 'access-control-request-method': 'PUT' }
  const { reason } = explainMatch(table, { method: 'OPTIONS', host: undefined, path: '/', headers })
  assert.equal(reason, 'it is a preflight of CORS for PUT, which this route takes')
})

test('of many near routes ten are told, none that holds and is more specific', () => {
  fc.assert(
    fc.property(fc.array(matches, { maxLength: 60 }), (list) => {
      const table = new RouteTable(list.map((match) => ({ match })))
      const request = { method: 'GET', host: 'a.b.c', path: '/a/b?q1=1', headers: { h1: '1' } }
      const { route, others } = explainMatch(table, request)
      assert.equal(route, table.find(request))
      assert.ok(others.length <= 10)
      assert.ok(route === undefined || others.every((other) => other.reason !== 'everything holds'))
    }),
  )
})
