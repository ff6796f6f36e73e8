import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import Value from 'typebox/value'
import { RequestExplanation, type RequestInquiry } from '../../../src/admin/contract/request-explanation.js'
import { Route } from '../../../src/admin/contract/routes.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { GatewayConfig, RouteConfig } from '../../../src/config/file/gateway-config.js'
import { RequestExplainer } from '../../../src/gateway/control/request-explainer.js'
import { routeViewOf } from '../../../src/gateway/control/route-view.js'
import { MemoryCounter } from '../../../src/limits/memory-counter.js'
import type { RateCountReader } from '../../../src/limits/rate-limit-counter.js'
import { requestKey } from '../../../src/limits/request-key.js'
import { PoolAffinity } from '../../../src/pool/affinity.js'
import type { Pool } from '../../../src/pool/pool.js'
import { RouteCounters } from '../../../src/telemetry/metrics/route-counters.js'
import { TestClock } from '../../support/clock.js'

const nothing = { set: {}, add: {}, remove: [] }

function route(
  name: string,
  more: Partial<RouteConfig> = {},
  match: Partial<RouteConfig['match']> = {},
): RouteConfig {
  return {
    name,
    match: { host: undefined, path: '', methods: undefined, headers: {}, query: {}, ...match },
    pools: [{ pool: 'users', weight: 1 }],
    mirror: undefined,
    redirect: undefined,
    stripPrefix: '',
    rewritePrefix: '',
    headers: { request: nothing, response: nothing },
    allow: undefined,
    deny: [],
    rateLimit: undefined,
    auth: undefined,
    cors: undefined,
    compress: false,
    maxBody: undefined,
    retries: undefined,
    hedge: undefined,
    timeouts: { connect: undefined, response: undefined, body: undefined },
    ...more,
  }
}

function poolOf(name: string, affinity = 'off', backends = ['a', 'b']): Pool {
  const clock = new TestClock()
  const specs = backends.map((id) => ({ url: `http://${id}:1`, id }))
  const balancer = new Balancer({
    backends: specs,
    clock,
    slowStart: 0,
    affinity,
  })
  const settings = { affinity, affinitySecret: '', maxBody: 0 }
  return {
    name,
    balancer,
    settings,
    affinity: new PoolAffinity(name, balancer.registry, settings, undefined),
  } as unknown as Pool
}

function gateway(
  routes: readonly RouteConfig[] | undefined,
  pools = [poolOf('users'), poolOf('next')],
  counts?: RateCountReader,
) {
  const clock = new TestClock()
  const counter = new MemoryCounter({ clock })
  const explainer = new RequestExplainer({
    config: () => ({ routes, pools: pools.map(({ name }) => ({ name })) }) as unknown as GatewayConfig,
    pool: (wanted) => pools.find(({ name }) => name === wanted),
    keySets: { get: async () => assert.fail('no keys are asked for') } as never,
    counts: counts ?? counter,
    clock,
  })
  const explain = async (inquiry: Partial<RequestInquiry> = {}) => {
    const explanation = await explainer.explain({ path: '/', ...inquiry })
    assert.ok(Value.Check(RequestExplanation, explanation), JSON.stringify(explanation))
    return explanation
  }
  return { explain, counter, pools }
}

test('a request is forwarded by the most specific route, with what it changes, to a backend of its pool', async () => {
  const request = { set: { authorization: 'Bearer secret' }, add: {}, remove: ['x-c'] }
  const { explain, pools } = gateway([
    route('all'),
    route(
      'users',
      { stripPrefix: '/users', rewritePrefix: '/v2', headers: { request, response: nothing } },
      { path: '/users', methods: ['GET'] },
    ),
  ])
  const explanation = await explain({ path: '/users/7?a=b' })
  assert.deepEqual([explanation.outcome, explanation.route, explanation.answer], ['forwarded', 'users', null])
  assert.deepEqual(
    explanation.candidates.map(({ route, taken }) => [route, taken]),
    [
      ['users', true],
      ['all', false],
    ],
  )
  const { forward } = explanation
  assert.equal(forward?.path, '/v2/7?a=b')
  assert.deepEqual(forward?.headers, { set: ['authorization'], add: [], remove: ['x-c'] })
  assert.ok(!JSON.stringify(explanation).includes('secret'))
  assert.ok(['a', 'b'].includes(forward?.explanation.backend ?? ''))
  assert.equal(pools[0]?.balancer.registry.inFlight, 0)
  assert.equal((await explain({ path: '/users', method: 'POST' })).route, 'all')
  const out = await explain({ path: '/users/../../admin' })
  assert.deepEqual([out.outcome, out.answer?.code], ['refused', 'LEASTWISE_BAD_PATH'])
})

test('a request that no route takes is said to be, with the routes that were near', async () => {
  const { explain } = gateway([route('users', {}, { path: '/users', methods: ['POST'] })])
  const explanation = await explain({ path: '/users' })
  assert.deepEqual([explanation.outcome, explanation.answer?.code], ['refused', 'LEASTWISE_NO_ROUTE'])
  assert.deepEqual(explanation.candidates, [
    { route: 'users', taken: false, reason: 'method is GET, and the route is for POST' },
  ])
})

test('what the plugins of a route do is told up to the first that refuses', async () => {
  const rateLimit = { max: 2, window: 60_000, by: 'ip' as const, failOpen: true }
  const keys = { mobile: createHash('sha256').update('k3y').digest('hex') }
  const apiKey = { header: 'x-api-key', keys, forward: 'x-user' }
  const { explain, counter } = gateway([
    route('a', {
      allow: ['10.0.0.0/8'],
      deny: ['10.0.0.9'],
      rateLimit,
      auth: { apiKey },
      cors: {
        origin: ['https://app.example'],
        methods: ['GET'],
        allowedHeaders: undefined,
        exposedHeaders: [],
        credentials: false,
        maxAge: undefined,
      },
    }),
  ])
  const client = '10.0.0.1'
  const stepsOf = async (inquiry: Partial<RequestInquiry>) => {
    const { steps, answer, outcome } = await explain(inquiry)
    return [steps.map(({ step, passes }) => `${step} ${passes}`).join(), answer?.code, outcome]
  }
  assert.deepEqual(await stepsOf({ client: '11.0.0.1' }), ['allow false', 'LEASTWISE_FORBIDDEN', 'refused'])
  assert.deepEqual(await stepsOf({ client: '10.0.0.9' }), ['deny false', 'LEASTWISE_FORBIDDEN', 'refused'])
  assert.deepEqual(await stepsOf({ client }), [
    'allow true,rateLimit true,auth false',
    'LEASTWISE_UNAUTHORIZED',
    'refused',
  ])
  const headers = { 'X-API-Key': 'k3y', origin: 'https://app.example' }
  const good = await explain({ client, headers })
  assert.equal(good.outcome, 'forwarded')
  assert.ok(!JSON.stringify(good).includes('k3y'))
  assert.deepEqual(
    good.steps.map(({ reason }) => reason),
    [
      '10.0.0.1 may use the route',
      'a page of https://app.example may read the response',
      '2 of 2 requests in 60000 ms are left to client 10.0.0.1',
      'the credentials are good; the backend gets x-user',
    ],
  )
  const preflight = { ...headers, 'access-control-request-method': 'GET' }
  const answered = await explain({ client, method: 'OPTIONS', headers: preflight })
  assert.deepEqual(
    [answered.outcome, answered.answer?.statusCode, answered.answer?.code],
    ['answered', 204, null],
  )
  const key = requestKey('a', rateLimit, {}, () => client)
  for (let i = 0; i < 2; i++) counter.increment(key, rateLimit.window)
  assert.deepEqual(await stepsOf({ client, headers }), [
    'allow true,cors true,rateLimit false',
    'LEASTWISE_RATE_LIMITED',
    'refused',
  ])
})

test('a count that cannot be read is told, and refuses only where the limit does not fail open', async () => {
  const rateLimit = { max: 2, window: 60_000, by: 'ip' as const }
  const { explain } = gateway(
    [
      route('open', { rateLimit: { ...rateLimit, failOpen: true } }, { path: '/open' }),
      route('closed', { rateLimit: { ...rateLimit, failOpen: false } }, { path: '/closed' }),
    ],
    undefined,
    { peek: () => Promise.reject(new Error('the store is away')) },
  )
  const open = await explain({ path: '/open' })
  assert.deepEqual([open.outcome, open.answer], ['forwarded', null])
  assert.equal(open.steps[0]?.reason, 'requests cannot be counted now: the store is away; they pass')
  const { outcome, answer } = await explain({ path: '/closed' })
  assert.deepEqual(
    [outcome, answer?.statusCode, answer?.code],
    ['refused', 503, 'LEASTWISE_RATE_LIMIT_UNAVAILABLE'],
  )
})

test('passwords are checked', async () => {
  // Made with htpasswd -B -C 4.
  const users = { ada: '$2b$04$fec5uYZCG3hG2tGKT.07sOTOW83UT5byAQM/fqSUCIKVzd6Dd2DpS' }
  const { explain } = gateway([route('a', { auth: { basic: { users, realm: 'r', forward: 'x-user' } } })])
  const as = (user: string) => ({
    headers: { authorization: `Basic ${Buffer.from(user).toString('base64')}` },
  })
  assert.equal((await explain(as('ada:pa:ss'))).outcome, 'forwarded')
  for (const inquiry of [{}, as('ada:pa'), as('ada'), { headers: { authorization: 'Basic' } }])
    assert.equal((await explain(inquiry)).answer?.code, 'LEASTWISE_UNAUTHORIZED')
})

test('a redirect is told with its target, and a body that is too large is refused', async () => {
  const { explain } = gateway([
    route(
      'old',
      { pools: [], redirect: { status: 308, to: 'https://new.example' } },
      { host: 'old.example' },
    ),
    route('small', { maxBody: 5 }),
  ])
  const { outcome, answer } = await explain({ host: 'old.example:80', path: '/a?b' })
  assert.deepEqual(
    [outcome, answer?.statusCode, answer?.location],
    ['redirected', 308, 'https://new.example/a?b'],
  )
  const large = await explain({ method: 'POST', headers: { 'content-length': '6' } })
  assert.equal(large.answer?.code, 'LEASTWISE_BODY_TOO_LARGE')
  assert.equal((await explain({ method: 'POST', headers: { 'content-length': '5' } })).outcome, 'forwarded')
})

test('a split tells each pool with its part, and a pool without a backend refuses', async () => {
  const pools = [
    { pool: 'users', weight: 1 },
    { pool: 'next', weight: 3 },
  ]
  const { explain } = gateway([route('a', { pools })], [poolOf('users'), poolOf('next', 'off', [])])
  const { outcome, answer, forward } = await explain()
  assert.deepEqual(forward?.pools, [
    { pool: 'users', probability: 0.25 },
    { pool: 'next', probability: 0.75 },
  ])
  assert.deepEqual(
    [forward?.pool, outcome, answer?.statusCode, answer?.code],
    ['next', 'refused', 503, 'LEASTWISE_NO_BACKEND'],
  )
})

test('the key of a request decides, and is told by where it comes from', async () => {
  const { explain } = gateway([route('a')], [poolOf('users', 'header:x-user')])
  const backends = new Set<unknown>()
  for (let i = 0; i < 4; i++) {
    const { forward } = await explain({ headers: { 'x-user': '7' } })
    assert.equal(forward?.affinity, 'header:x-user')
    backends.add(forward?.explanation.backend)
  }
  assert.equal(backends.size, 1)
  assert.equal((await explain()).forward?.affinity, null)
  const byAddress = gateway([route('a')], [poolOf('users', 'ip')])
  assert.equal((await byAddress.explain()).forward?.affinity, 'ip')
})

test('without routes every request goes to the only pool', async () => {
  const { explain } = gateway(undefined, [poolOf('users')])
  const { route: taken, candidates, forward, outcome } = await explain({ path: '/x' })
  assert.deepEqual(
    [taken, candidates, forward?.pool, forward?.path, outcome],
    [null, [], 'users', '/x', 'forwarded'],
  )
})

test('a route is shown as it is set and with its counts, without values that may be secrets', () => {
  const counters = new RouteCounters()
  counters.observe({ outcome: 'ok', responseTime: 4, error: null } as never, {} as never, {} as never)
  const request = { set: { authorization: 'secret' }, add: { 'x-a': 'secret' }, remove: ['x-b'] }
  const view = routeViewOf(
    route('a', {
      headers: { request, response: nothing },
      auth: { apiKey: { header: 'x-key', keys: { k: 'secret' }, forward: '' } },
      rateLimit: { max: 1, window: 1000, by: { header: 'x-key' }, failOpen: true },
      hedge: 'p95',
    }),
    counters,
  )
  assert.ok(Value.Check(Route, view), JSON.stringify([...Value.Errors(Route, view)]))
  assert.ok(!JSON.stringify(view).includes('secret'))
  assert.deepEqual(view.headers.request, { set: ['authorization'], add: ['x-a'], remove: ['x-b'] })
  assert.deepEqual(
    [view.plugins.auth, view.plugins.rateLimit?.by, view.limits.hedge],
    ['apiKey', 'header:x-key', 'p95'],
  )
  assert.deepEqual([view.requests.total, view.match.path, view.latency.mean], [1, '/', 4])
  assert.ok(Value.Check(Route, routeViewOf(route('b'), new RouteCounters())))
})
