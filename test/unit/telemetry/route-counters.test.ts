import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Registry } from 'prom-client'
import { exposition } from '../../../src/telemetry/metrics/exposition.js'
import { BOUNDS, Histogram } from '../../../src/telemetry/metrics/histogram.js'
import { registerRateLimitsIn, registerRoutesIn } from '../../../src/telemetry/metrics/route-families.js'
import { RouteMeter } from '../../../src/telemetry/metrics/route-meter.js'
import type { RequestRecord } from '../../../src/telemetry/record.js'

const [request, reply] = [{} as FastifyRequest, {} as FastifyReply]

function record(
  outcome: RequestRecord['outcome'],
  responseTime: number,
  error: string | null = null,
): RequestRecord {
  return { outcome, responseTime, error } as RequestRecord
}

async function pageOf(registry: Registry): Promise<string> {
  let text = ''
  for await (const chunk of exposition(registry)) text += chunk
  return text
}

test('requests are counted by outcome, refusals by code too, and their times', () => {
  const users = new RouteMeter().of('users')
  for (const one of [
    record('ok', 4),
    record('ok', 4),
    record('failed', 30, 'LEASTWISE_BAD_GATEWAY'),
    record('refused', 1, 'LEASTWISE_UNAUTHORIZED'),
    record('refused', 1, 'LEASTWISE_UNAUTHORIZED'),
    record('cancelled', 2),
  ])
    users.observe(one, request, reply)
  assert.deepEqual(
    (['ok', 'failed', 'refused', 'cancelled'] as const).map((outcome) => users.requests(outcome)),
    [2, 1, 2, 1],
  )
  assert.equal(users.total, 6)
  assert.deepEqual([...users.refused], [['LEASTWISE_UNAUTHORIZED', 2]])
  assert.equal(users.duration.sum.toFixed(6), '0.042000')
})

test('what a thread takes is added in another, once, and survives the way there', () => {
  const [worker, main] = [new RouteMeter(), new RouteMeter()]
  main.keep(['users', 'orders'])
  assert.deepEqual(worker.take(), [])
  worker.of('users').observe(record('ok', 4), request, reply)
  worker.of('users').observe(record('refused', 1, 'LEASTWISE_FORBIDDEN'), request, reply)
  worker.of('gone').observe(record('ok', 4), request, reply)
  main.add(structuredClone(worker.take()))
  main.add(structuredClone(worker.take()))
  worker.of('users').observe(record('ok', 4), request, reply)
  main.add(structuredClone(worker.take()))
  const users = main.of('users')
  assert.deepEqual(
    [users.requests('ok'), users.requests('refused'), users.duration.cumulative().at(-1)],
    [2, 1, 3],
  )
  assert.deepEqual([...users.refused], [['LEASTWISE_FORBIDDEN', 1]])
  assert.deepEqual(
    [...main].map(([name]) => name),
    ['users', 'orders'],
    'a route that is gone has no counts',
  )
})

test('a route that stays keeps its counts, and the order is the new one', () => {
  const meter = new RouteMeter()
  const users = meter.of('users')
  users.observe(record('ok', 4), request, reply)
  meter.of('orders')
  meter.keep(['shop', 'users'])
  assert.deepEqual(
    [...meter].map(([name]) => name),
    ['shop', 'users'],
  )
  assert.equal(meter.of('users'), users)
  assert.equal(users.total, 1)
})

test('the metrics of routes are on the page while they are registered', async () => {
  const registry = new Registry()
  const meter = new RouteMeter()
  const leave = registerRoutesIn(registry, meter)
  meter.of('us"ers').observe(record('ok', 4), request, reply)
  meter.of('idle')
  const page = await pageOf(registry)
  assert.match(page, /^leastwise_route_requests_total\{outcome="ok",route="us\\"ers"\} 1$/m)
  assert.match(page, /^leastwise_route_requests_total\{outcome="failed",route="idle"\} 0$/m)
  assert.match(page, /^leastwise_route_request_duration_seconds_bucket\{le="0.005",route="us\\"ers"\} 1$/m)
  assert.doesNotMatch(page, /duration_seconds.*idle/)
  leave()
  assert.doesNotMatch(await pageOf(registry), /route="/)
})

test('routes with a rate limit tell how many requests could not be counted, in all threads together', async () => {
  const registry = new Registry()
  const [worker, main] = [new RouteMeter(), new RouteMeter()]
  for (const meter of [worker, main]) meter.keep(['users', 'idle', 'other'])
  registerRateLimitsIn(registry, main)
  for (const name of ['users', 'idle']) main.of(name).isLimited = true
  for (const meter of [worker, worker, main]) meter.countUncounted('users')
  worker.countUncounted('gone')
  main.add(structuredClone(worker.take()))
  const lines = (await pageOf(registry)).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  assert.deepEqual(lines, [
    'leastwise_rate_limit_uncounted_total{route="users"} 3',
    'leastwise_rate_limit_uncounted_total{route="idle"} 0',
  ])
})

test('quantiles are estimated from the buckets', () => {
  const times = new Histogram()
  assert.equal(times.quantile(0.5), undefined)
  for (let i = 0; i < 100; i++) times.add(0.004)
  assert.equal(times.quantile(1), 0.005)
  assert.equal(times.quantile(0.5)?.toFixed(5), '0.00375')
  for (let i = 0; i < 100; i++) times.add(1000)
  assert.equal(times.quantile(0.99), BOUNDS.at(-1))
  assert.equal(times.quantile(0.25)?.toFixed(5), '0.00375')
})
