import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Gateway, gatewayExample } from '../src/admin/contract/gateways.js'
import { jsonResponse } from '../src/admin/contract/responses.js'
import type { AdminGateways } from '../src/admin/fleet.js'

/** Adds the route that lists the gateways which share a store. */
export const gatewaysRoutes: FastifyPluginAsyncTypebox<{ gateways: AdminGateways }> = async (
  app,
  { gateways },
) => {
  const Gateways = Type.Object(
    {
      gateways: Type.Array(Gateway, { description: 'The gateway that is asked first, the others by id.' }),
    },
    { examples: [{ gateways: [gatewayExample] }] },
  )

  app.get(
    '/gateways',
    {
      config: { operationId: 'listGateways' },
      schema: {
        tags: ['Pool'],
        summary: 'List the gateways',
        description:
          'All gateways that share the store, as they were heard of last; of one where there is no store. One that is not heard of for 5 s is left out. It is answered while the store is away, too, and then has only the gateways that are still known.',
        response: { 200: jsonResponse(Gateways, 'The gateways.') },
      },
    },
    async () => ({ gateways: gateways.list() }),
  )
}
