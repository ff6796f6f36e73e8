import type { FastifyInstance } from 'fastify'
import { proxyPlugin } from '../../../plugins/proxy.js'
import type { Pool } from '../../pool/pool.js'
import { rulesFor } from '../../pool/rules.js'
import { passedOn } from '../../proxy/http/methods.js'
import { trustOf } from '../../proxy/http/trust.js'

/** Adds the routes of a gateway without routes of its own: everything goes to one pool. */
export async function proxyToPool(app: FastifyInstance, pool: Pool): Promise<void> {
  const { settings, name } = pool
  const route = {
    name: undefined,
    segments: 0,
    rewritePrefix: '',
    restoresPrefix: false,
    methods: passedOn,
    trust: trustOf(settings.trustProxy),
  }
  await app.register(proxyPlugin, {
    name,
    app,
    methods: undefined,
    constraints: {},
    appAnswersErrors: false,
    bodyTimeout: settings.bodyTimeout,
    maxEventLoopDelay: settings.maxEventLoopDelay,
    maxHeapBytes: settings.maxHeapBytes,
    rules: (scope) => rulesFor(pool, route, scope),
  })
}
