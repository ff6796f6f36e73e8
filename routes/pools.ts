import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { NamedPool, namedPoolExample } from '../src/admin/contract/pool.js'
import { jsonResponse } from '../src/admin/contract/responses.js'
import type { AdminPools } from '../src/admin/pools.js'

/** Adds the route that lists the pools. */
export const poolsRoutes: FastifyPluginAsyncTypebox<{ pools: AdminPools }> = async (app, { pools }) => {
  const Pools = Type.Object(
    { pools: Type.Array(NamedPool, { description: 'In order of registration.' }) },
    { examples: [{ pools: [namedPoolExample] }] },
  )

  app.get(
    '/pools',
    {
      config: { operationId: 'listPools' },
      schema: {
        tags: ['Pool'],
        summary: 'List the pools',
        description:
          'All pools that this API is for. Each call of a pool stands under `/pools/{name}/` as well, as `GET /pools/users/backends`; without a name it is for the pool `default`, or the only one there is.',
        response: { 200: jsonResponse(Pools, 'The pools.') },
      },
    },
    async () => ({ pools: pools.entries().map(([name, pool]) => ({ name, ...pool.view() })) }),
  )

  app.get(
    '/pools/:pool',
    {
      config: { operationId: 'getNamedPool', errors: ['LEASTWISE_POOL_NOT_FOUND'] },
      schema: {
        tags: ['Pool'],
        summary: 'How a pool is, by its name',
        description: 'The same as `GET /pool`, with the name.',
        params: Type.Object({
          pool: Type.String({ description: 'Name of the pool.', examples: ['default'] }),
        }),
        response: { 200: jsonResponse(NamedPool, 'The pool.') },
      },
    },
    async (request) => ({ name: request.params.pool, ...pools.of(request).view() }),
  )
}
