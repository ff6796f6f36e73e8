import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { jsonResponse } from '../src/admin/contract/responses.js'
import { NotReadyError } from '../src/admin/errors.js'
import { statusOf } from '../src/admin/fleet.js'
import type { AdminPools } from '../src/admin/pools.js'
import type { Balancer } from '../src/balancer/balancer.js'

export interface StatusOptions {
  pools: AdminPools
  /** Whether readiness is that of all pools together, and not that of one. */
  ofAll: boolean
}

/** Adds the routes that an orchestrator probes: they report whether the gateway is alive and whether it is ready. */
export const statusRoutes: FastifyPluginAsyncTypebox<StatusOptions> = async (app, { pools, ofAll }) => {
  const status = (value: string) =>
    Type.Object(
      { status: Type.String({ description: `Always \`${value}\`.` }) },
      { examples: [{ status: value }] },
    )

  const Ready = Type.Object(
    {
      status: Type.String({ description: 'Always `ready`.' }),
      store: Type.Optional(
        Type.String({ description: '`away` while the store that gateways share does not answer.' }),
      ),
    },
    { examples: [{ status: 'ready' }] },
  )

  app.get(
    '/livez',
    {
      config: { operationId: 'getLiveness', public: true },
      schema: {
        tags: ['Monitoring'],
        summary: 'Whether the process answers',
        description:
          'For a liveness probe: 200 while the process responds, also without a usable backend, and on shutdown.',
        response: { 200: jsonResponse(status('live'), 'It does.') },
      },
    },
    async () => ({ status: 'live' }),
  )

  app.get(
    '/readyz',
    {
      config: { operationId: 'getReadiness', public: true, errors: ['LEASTWISE_NOT_READY'] },
      schema: {
        tags: ['Monitoring'],
        summary: 'Whether requests can be served',
        description:
          'For a readiness probe: 503 with the reason where no backend is usable (of a gateway with several pools: in no pool), where no worker thread carries traffic although others should, and from the start of a shutdown. A store that is away is no reason, as traffic goes on without it; `store` then says so.',
        response: { 200: jsonResponse(Ready, 'They can.') },
      },
    },
    async (request) => {
      const asked = ofAll ? pools.list() : [app.poolOf(request)]
      const reasons = asked.map(unreadyReason)
      if (reasons.includes('shutting down')) throw new NotReadyError('shutting down')
      // A pool without a usable backend is no reason to keep requests from the other pools.
      if (!reasons.includes(undefined)) throw new NotReadyError(reasons[0])
      const isAway = asked.some((pool) => statusOf(pool)?.store().away)
      return isAway ? { status: 'ready', store: 'away' } : { status: 'ready' }
    },
  )
}

/** Returns why a pool cannot serve requests; undefined where it can. */
function unreadyReason({ closing, workers, registry }: Balancer): string | undefined {
  if (closing) return 'shutting down'
  if (workers && !workers.list.some(({ takesPart }) => takesPart)) return 'no worker carries traffic'
  return registry.serves ? undefined : 'no usable backend'
}
