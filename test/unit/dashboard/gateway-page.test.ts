import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Route, type RouteView } from '../../../src/admin/contract/routes.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import { CounterRates } from '../../../src/dashboard/page/counter-rates.js'
import { gatewayStatusOf, type PoolCounter } from '../../../src/dashboard/page/gateway-status.js'
import {
  headerTexts,
  limitTexts,
  pluginTexts,
  rewriteText,
  sharesOf,
} from '../../../src/dashboard/page/route-text.js'
import { linkTo, viewOf } from '../../../src/dashboard/page/view.js'
import { exampleOf } from '../../support/gateway-control.js'

test('a fragment names a view, and a link leads to it', () => {
  for (const name of ['users', 'a/b', 'ü %', '#'])
    for (const kind of ['pool', 'route'] as const)
      assert.deepEqual(viewOf(linkTo(kind, name)), { kind, name })
  assert.deepEqual(viewOf('#/'), { kind: 'overview' })
  for (const hash of ['', '#', '#backends', '#/pools/', '#/nowhere/a', '#/pools/%', '#/poolsa'])
    assert.equal(viewOf(hash), undefined, hash)
})

test('rates are those of the last five seconds, and begin again with the counters', () => {
  const rates = new CounterRates<'requests'>()
  const add = (second: number, requests: number) => rates.add(1000 * second, [['a', { requests }]])
  assert.equal(rates.of('a', 'requests'), 0)
  add(0, 100)
  assert.equal(rates.of('a', 'requests'), 0)
  add(1, 110)
  assert.equal(rates.of('a', 'requests'), 10)
  for (let second = 2; second <= 10; second++) add(second, 110)
  assert.equal(rates.of('a', 'requests'), 0, 'the first second is long past')
  add(11, 5)
  assert.equal(rates.of('a', 'requests'), 0)
  add(12, 9)
  assert.equal(rates.of('a', 'requests'), 4)
  rates.add(13_000, [])
  assert.equal(rates.of('a', 'requests'), 0)
})

test('the status of a gateway names the pools that need attention, the worst first', () => {
  const view = (name: string, more = {}) => ({
    ...new Balancer({ backends: ['http://a:1'] }).view(),
    name,
    ...more,
  })
  const rates = new CounterRates<PoolCounter>()
  assert.deepEqual(gatewayStatusOf([view('a')], rates), {
    level: 'good',
    lines: ['The one pool takes requests.'],
  })
  assert.deepEqual(gatewayStatusOf([view('a', { backends: 2 }), view('b')], rates), {
    level: 'warning',
    lines: ['Some backends get no requests in a.'],
  })
  for (const at of [0, 1000])
    rates.add(
      at,
      ['a', 'b'].map((name) => [name, { requests: 0, refused: name === 'b' ? at / 250 : 0 }]),
    )
  const { level, lines } = gatewayStatusOf([view('a', { panic: true }), view('b', { eligible: 0 })], rates)
  assert.equal(level, 'bad')
  assert.deepEqual(lines, [
    '4.0 requests a second get 503 now, in b.',
    'No usable backend in b: requests there are answered 503.',
    'Too few healthy backends in a.',
  ])
})

test('a route is told in words', () => {
  const route = exampleOf<RouteView>(Route)
  assert.deepEqual(
    sharesOf([
      { pool: 'a', weight: 2 },
      { pool: 'b', weight: 1 },
    ]),
    [
      { pool: 'a', share: '66.7 %' },
      { pool: 'b', share: '33.3 %' },
    ],
  )
  assert.deepEqual(pluginTexts(route.plugins), [
    ['cors', 'https://app.example.com'],
    ['rateLimit', '100 requests in 60,000 ms by address'],
    ['auth', 'jwt'],
  ])
  const strict = { max: 5, window: 1000, by: 'header:x-key', failOpen: false }
  assert.deepEqual(pluginTexts({ ...route.plugins, cors: null, auth: null, rateLimit: strict }), [
    ['rateLimit', '5 requests in 1,000 ms by header:x-key, none while they cannot be counted'],
  ])
  assert.deepEqual(headerTexts(route.headers.request), ['set x-a'])
  assert.equal(rewriteText(route), 'without /users')
  assert.equal(rewriteText({ ...route, rewritePrefix: '/v2' }), '/v2 in place of /users')
  assert.equal(rewriteText({ ...route, stripPrefix: '', rewritePrefix: '/v2' }), '/v2 is put before the path')
  assert.deepEqual(limitTexts(route.limits), [
    ['maxBody', '1,048,576 bytes'],
    ['response', '5,000 ms'],
  ])
})
