import type { FastifyInstance } from 'fastify'
import { balancerPlugin } from '../plugins/balancer.js'
import { proxyPlugin } from '../plugins/proxy.js'
import { adminRoutes } from '../routes/admin.js'
import { Balancer } from './balancer/balancer.js'
import { type LeastwiseOptions, parseOptions } from './options.js'

/** Puts a pool into an app: the decorators, the proxied routes under a prefix, the admin API where asked for. */
export async function gateway(app: FastifyInstance, given: LeastwiseOptions): Promise<void> {
  const { name, prefix, rewritePrefix, admin, accessLog, settings, withoutEffect } = parseOptions(given)
  const balancer = new Balancer(settings)
  for (const option of withoutEffect) app.log.warn(`leastwise: ${option} has no effect in this version`)

  await app.register(balancerPlugin, { balancer, name })
  logChanges(app, balancer, name)
  await app.register(proxyPlugin, {
    prefix,
    balancer,
    rewritePrefix,
    accessLog,
    maxBody: settings.maxBody,
    hostHeader: settings.hostHeader,
    trustProxy: settings.trustProxy,
    maxEventLoopDelay: settings.maxEventLoopDelay,
    maxHeapBytes: settings.maxHeapBytes,
    timeouts: {
      connect: settings.connectTimeout,
      response: settings.responseTimeout,
      body: settings.bodyTimeout,
    },
  })
  if (admin) await app.register(adminRoutes, { prefix: admin.prefix, balancer, token: admin.token })
}

function logChanges(app: FastifyInstance, balancer: Balancer, pool: string): void {
  const events = ['added', 'updated', 'draining', 'drained', 'activated', 'health', 'removed'] as const
  for (const event of events) {
    balancer.registry.on(event, ({ id, url, state, health, weight, inFlight }) => {
      app.log.info({ pool, event, backend: id, url, state, health, weight, inFlight }, `backend ${event}`)
    })
  }
}
