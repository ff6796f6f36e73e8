import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RoutedRequest, RouteMatch } from '../../../src/routing/route-match.js'
import { RouteTable } from '../../../src/routing/route-table.js'

const anything: RouteMatch = { host: undefined, path: '', methods: undefined, headers: {}, query: {} }

function tableOf(...matches: Partial<RouteMatch>[]): RouteTable {
  return new RouteTable(matches.map((match) => ({ match: { ...anything, ...match } })))
}

function get(path: string, rest: Partial<RoutedRequest> = {}): RoutedRequest {
  return { method: 'GET', host: undefined, path, headers: {}, ...rest }
}

test('a path is a prefix by segments', () => {
  const table = tableOf({ path: '/users' })
  for (const path of ['/users', '/users/', '/users/1', '/users?q=/x', '/%75sers/1', '/users/a%2Fb'])
    assert.equal(table.find(get(path)), 0, path)
  for (const path of ['/usersx', '/', '/Users', '/x/users', '*', '', '/users%2F1', '//users'])
    assert.equal(table.find(get(path)), undefined, path)
})

test('a route without a path takes any target', () => {
  const table = tableOf({})
  for (const path of ['/', '', '*', '/a/../b', '//', '/%2e%2e/%2f;x\\', '?q'])
    assert.equal(table.find(get(path)), 0)
})

test('paths and routes are compared decoded, bytes of a target as UTF-8', () => {
  const table = tableOf({ path: '/münchen' }, { path: '/a b' }, { path: '/100%25' }, { path: '/.well-known' })
  for (const path of ['/münchen', '/m%C3%BCnchen', '/m\u00c3\u00bcnchen/1'].slice(1))
    assert.equal(table.find(get(path)), 0, path)
  assert.equal(table.find(get('/m%FCnchen')), undefined)
  assert.equal(table.find(get('/a%20b')), 1)
  assert.equal(table.find(get('/100%25')), 2)
  assert.equal(table.find(get('/.well-known/x')), 3)
})

test('the longest path wins, and shorter ones are tried where methods, fields or query do not hold', () => {
  const table = tableOf(
    { path: '' },
    { path: '/a' },
    { path: '/a/b', methods: ['GET'] },
    { path: '/a/b', headers: { 'x-v': '2' } },
    { path: '/a/b/c', query: { q: 'x y' } },
  )
  assert.equal(table.find(get('/a/b/c?q=x+y')), 4)
  assert.equal(table.find(get('/a/b/c?q=z&q=x%20y')), 2)
  assert.equal(table.find(get('/a/b', { headers: { 'x-v': '2' } })), 2)
  assert.equal(table.find(get('/a/b', { method: 'PUT', headers: { 'x-v': '2' } })), 3)
  assert.equal(table.find(get('/a/b', { method: 'PUT', headers: { 'x-v': '2, 2' } })), 1)
  assert.equal(table.find(get('/')), 0)
})

test('an exact host is before the longest wildcard, and that before shorter ones and any host', () => {
  const table = tableOf(
    {},
    { host: '*.com' },
    { host: '*.example.com' },
    { host: 'api.example.com', path: '/a' },
    { host: '[::1]' },
  )
  const host = (name: string | undefined, path = '/a') => table.find(get(path, { host: name }))
  assert.equal(host('API.example.com:8080'), 3)
  assert.equal(host('api.example.com.'), 3)
  assert.equal(host('api.example.com.:80'), 3)
  assert.equal(host('api.example.com', '/b'), 2)
  assert.equal(host('a.b.example.com'), 2)
  assert.equal(host('example.com'), 1)
  assert.equal(host('.example.com'), 1)
  assert.equal(host('com'), 0)
  assert.equal(host('[::1]:80'), 4)
  assert.equal(host('[::1]'), 4)
  for (const name of [undefined, '', ':80', 'other', '[::2]']) assert.equal(host(name), 0)
})

test('routes that differ in the value of a field or parameter are found among many', () => {
  const tenants = Array.from({ length: 100 }, (_, i) => ({ path: '/t', headers: { tenant: `${i}` } }))
  const named = Array.from({ length: 100 }, (_, i) => ({ path: '/t', query: { [`q${i}`]: '1' } }))
  const table = tableOf({ path: '/t' }, ...tenants, ...named, {
    path: '/t',
    headers: { tenant: '7', v: '2' },
  })
  assert.equal(table.find(get('/t', { headers: { tenant: '99' } })), 100)
  assert.equal(table.find(get('/t', { headers: { tenant: '7', v: '2' } })), 201)
  assert.equal(table.find(get('/t?q5=1', { headers: { tenant: '7', v: '3' } })), 8)
  assert.equal(table.find(get('/t?q5=1&q4=2')), 106)
  assert.equal(table.find(get('/t?q5=2')), 0)
})

test('names of what every object has are names like others', () => {
  const table = tableOf({ headers: { constructor: 'x' } }, { query: { __proto__x: 'y' } })
  assert.equal(table.find(get('/')), undefined)
  assert.equal(table.find(get('/', { headers: { constructor: 'x' } as never })), 0)
})

test('a preflight goes to the route with CORS that takes the request after it', () => {
  const cors = { origin: '*' }
  const table = new RouteTable([
    { match: { ...anything, path: '/a', methods: ['GET', 'POST'], headers: { 'x-version': '2' } }, cors },
    { match: { ...anything, path: '/a', methods: ['PUT'] } },
    { match: { ...anything, path: '/a' } },
  ])
  const preflight = (method: string, names?: string) =>
    table.find(
      get('/a', {
        method: 'OPTIONS',
        headers: {
          origin: 'https://app.example.com',
          'access-control-request-method': method,
          ...(names !== undefined && { 'access-control-request-headers': names }),
        },
      }),
    )
  assert.equal(preflight('POST', 'content-type, X-Version'), 0)
  assert.equal(preflight('POST'), 2)
  assert.equal(preflight('PUT', 'x-version'), 2)
  assert.equal(table.find(get('/a', { method: 'OPTIONS' })), 2)
})

test('a more specific route for OPTIONS is before one that answers a preflight', () => {
  const table = new RouteTable([
    { match: { ...anything, methods: ['GET'] }, cors: {} },
    { match: { ...anything, methods: ['OPTIONS'], headers: { origin: 'https://a' } } },
  ])
  const headers = { origin: 'https://a', 'access-control-request-method': 'GET' }
  assert.equal(table.find(get('/', { method: 'OPTIONS', headers })), 1)
  assert.equal(table.find(get('/', { method: 'OPTIONS', headers: { ...headers, origin: 'https://b' } })), 0)
})

test('a route whose path no request can have is refused', () => {
  for (const path of [
    'a',
    '/',
    '/a/',
    '/a//b',
    '/../a',
    '/%2e',
    '/a?b',
    '/%zz',
    '/a b\n',
    '/%c0%ae',
    '/a%2Fb',
    '/a;b',
    '/a\\b',
    '/a%20',
    '/\ud800',
  ])
    assert.throws(() => tableOf({ path }), TypeError, path)
})
