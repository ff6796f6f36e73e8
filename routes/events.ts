import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { textResponse } from '../src/admin/contract/responses.js'
import { NotReadyError, TooManyReadersError } from '../src/admin/errors.js'
import { Feed } from '../src/admin/event-feed/feed.js'
import type { Feeds } from '../src/admin/event-feed/feeds.js'

/** Adds the route that streams the events of a pool as server-sent events. */
export const eventRoutes: FastifyPluginAsyncTypebox<{ feeds: Feeds }> = async (app, { feeds }) => {
  app.get(
    '/events',
    {
      // A reader that closes its stream is normal, so the `info` lines of this route are left out of the log.
      logLevel: 'warn',
      config: { operationId: 'getEvents', errors: ['LEASTWISE_TOO_MANY_READERS'] },
      schema: {
        tags: ['Monitoring'],
        summary: 'What happens, as it happens',
        description: `Server-sent events. A \`snapshot\` when the stream begins and each second: \`at\`, the \`pool\` as in
\`GET /pool\`, all \`backends\`, and the \`gateways\` where they share a store. A \`change\` whenever there is one: \`at\`, the \`type\` (\`added\`,
\`updated\`, \`draining\`, \`drained\`, \`cut\` with \`requests\`, \`activated\`, \`health\`, \`removed\`,
\`panic\` with \`panic\`, \`policy\` with \`policy\`, \`worker\` with the \`worker\` thread: its \`number\`,
its \`state\`, which is \`started\`, \`silent\` or \`ended\`, the \`reason\` or null, and how many of its
requests were \`cut\`, \`reload\` of the gateway's file with \`reload\`: the first 20 \`changes\`, how many were
\`changed\`, and the number of \`mistakes\` that kept it from being taken,
\`store\` and \`gateway\` with \`fleet\`: what has changed about the store or the gateways that share it) and the \`backend\`, or null. With
\`Last-Event-ID\` the changes since that one come first, with 0 all that are kept (100). At most 100 readers; one that
falls behind gets fewer snapshots, and one that does not read is disconnected.`,
        headers: Type.Object({
          'last-event-id': Type.Optional(
            Type.String({
              description:
                'Id of the last change that is known: later ones, as far as they are kept, come first. 0 for all of them.',
              examples: ['0'],
            }),
          ),
        }),
        response: {
          200: textResponse(
            'text/event-stream',
            'A stream that does not end by itself.',
            'event: snapshot\ndata: {"at":"2026-01-01T00:00:00.000Z","pool":{…},"backends":[…]}\n\n',
          ),
        },
      },
    },
    (request, reply) => {
      reply.header('content-type', 'text/event-stream; charset=utf-8')
      reply.header('cache-control', 'no-store')
      // Without this header nginx would buffer the stream.
      reply.header('x-accel-buffering', 'no')
      if (request.method === 'HEAD') return reply.send()
      const feed = feeds.of(app.poolOf(request))
      if (feed.closed) throw new NotReadyError('shutting down')
      if (feed.isFull) throw new TooManyReadersError(Feed.MAX_READERS)
      return reply.send(feed.open(idOf(request.headers['last-event-id'])))
    },
  )
}

/**
 * Returns the id in the header `Last-Event-ID`, or undefined for a reader that asks for no past events. The id 0 asks
 * for all events that are kept.
 */
function idOf(field: string | undefined): number | undefined {
  return field !== undefined && /^\d{1,15}$/.test(field) ? Number(field) : undefined
}
