import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { balancerPlugin } from '../../plugins/balancer.js'
import { proxyPlugin } from '../../plugins/proxy.js'
import { parseOptions } from '../../src/config/parse-options.js'
import type { LeastwiseOptions } from '../../src/config/plugin-options.js'
import { Pool } from '../../src/pool/pool.js'
import { type RouteOptions, rulesFor, type ScopeFacts } from '../../src/pool/rules.js'
import { passedOn } from '../../src/proxy/http/methods.js'
import { trustOf } from '../../src/proxy/http/trust.js'
import { until } from './until.js'

export interface RouteApp {
  app: FastifyInstance
  pool: Pool
  url: string
  /** Leases that were taken so far. */
  leases(): number
  /** Failures of backends by our count. */
  failures(): number
}

interface RouteAppOptions {
  backends: string[]
  /** Adds plugins to the scope around the pool. */
  around?(scope: FastifyInstance): Promise<unknown>
  route?: Partial<RouteOptions>
  settings?: LeastwiseOptions
  server?: FastifyServerOptions
}

/**
 * An app with a scope that has plugins and a pool in it, as a route of the gateway has. No request may be in flight once
 * the test is over.
 */
export async function openRoute(
  t: TestContext,
  { backends, around, route, settings: given, server }: RouteAppOptions,
): Promise<RouteApp> {
  const app = Fastify({ forceCloseConnections: true, ...server }) as FastifyInstance
  const { settings } = parseOptions({ backends, retries: 0, ...given }, app)
  const pool = await Pool.open({
    name: 'default',
    settings,
    log: app.log,
    registries: [],
    accessLog: false,
    store: undefined,
    workers: 0,
    shared: undefined,
    closeIdleClients() {},
  })
  await app.register(balancerPlugin, { pool, drainTimeout: 0 })
  await app.register(async (scope) => {
    await around?.(scope)
    await scope.register(proxyPlugin, {
      name: 'default',
      app: scope,
      methods: undefined,
      constraints: {},
      appAnswersErrors: false,
      bodyTimeout: 0,
      maxEventLoopDelay: 0,
      maxHeapBytes: 0,
      rules: (facts: ScopeFacts) =>
        rulesFor(
          pool,
          {
            name: undefined,
            segments: 0,
            rewritePrefix: '',
            restoresPrefix: true,
            methods: passedOn,
            trust: trustOf(false),
            ...route,
          },
          facts,
        ),
    })
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { registry } = pool.balancer
  t.after(async () => {
    await until(
      () => registry.inFlight,
      (count) => count === 0,
    )
    await app.close()
    assert.equal(registry.inFlight, 0)
  })
  const sum = (count: 'total' | 'failed') =>
    registry.list().reduce((all, { leases }) => all + leases[count], 0)
  return { app, pool, url, leases: () => sum('total'), failures: () => sum('failed') }
}
