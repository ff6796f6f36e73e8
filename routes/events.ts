import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { TooManyReadersError } from '../plugins/errors.js'
import { Feed } from './events/feed.js'

/** What happens in the pool, as server-sent events. */
export const eventRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const feed = new Feed(app.balancer)
  // Neither a gateway that shuts down nor an app that closes waits for readers, who never leave by themselves.
  app.addHook('preClose', async () => feed.close())

  // That a reader leaves is no news.
  app.get('/events', { logLevel: 'warn' }, (request, reply) => {
    reply.header('content-type', 'text/event-stream; charset=utf-8')
    reply.header('cache-control', 'no-store')
    // nginx would gather what it is given.
    reply.header('x-accel-buffering', 'no')
    if (request.method === 'HEAD') return reply.send()
    if (feed.isFull) throw new TooManyReadersError(Feed.MAX_READERS)
    return reply.send(feed.open(idOf(request.headers['last-event-id'])))
  })
}

/** Undefined for a reader that asks for no past; 0 asks for all of it that is kept. */
function idOf(field: string | string[] | undefined): number | undefined {
  return typeof field === 'string' && /^\d{1,15}$/.test(field) ? Number(field) : undefined
}
