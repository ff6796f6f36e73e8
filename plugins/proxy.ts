import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { type Readable, Transform } from 'node:stream'
import replyFrom, { type FastifyReplyFromOptions } from '@fastify/reply-from'
import type { FastifyError, FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Assignment } from '../src/adapters/attempt.js'
import type { Timeouts } from '../src/adapters/backend-pool.js'
import { ASSIGNMENT, LeaseDispatcher } from '../src/adapters/dispatcher.js'
import type { Balancer } from '../src/balancer/balancer.js'
import { ClientGoneError } from '../src/balancer/errors.js'
import { BadPathError, BodyTooLargeError, InvalidRequestError, sendError, toGatewayError } from './errors.js'
import { openOn, whenOver } from './exchange.js'
import { type ForwardingOptions, rewritePath, toBackend, toClient } from './forwarding.js'
import { type PressureOptions, pressurePlugin } from './pressure.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** What a proxied request was assigned to, once it was; undefined or null on every other request. */
    assignment: Assignment | null | undefined
  }
}

export interface ProxyOptions extends ForwardingOptions, PressureOptions {
  balancer: Balancer
  /** Put in the place of the prefix, which is taken off. */
  rewritePrefix: string
  /** Largest request body in bytes; 0 for any. */
  maxBody: number
  timeouts: Timeouts
  /** Whether each request is logged in one line. */
  accessLog: boolean
}

/** The proxied routes of one pool, in a scope of their own: other routes are not touched and not counted. */
export const proxyPlugin: FastifyPluginAsync<ProxyOptions> = async (scope, options) => {
  const { balancer, rewritePrefix, maxBody } = options
  // Of the whole prefix: the plugin may have been registered in a scope that has one.
  const segments = scope.prefix.replace(/\/+$/, '').split('/').length - 1
  const dispatcher = new LeaseDispatcher(balancer.registry, options.timeouts, balancer.clock)

  scope.addHook('onClose', () => dispatcher.destroy())
  scope.setErrorHandler(sendError)
  scope.decorateRequest('assignment', null)
  if (options.accessLog) addAccessLog(scope, balancer)
  if (maxBody > 0) scope.addHook('onRequest', (request, _reply, done) => done(tooLong(request, maxBody)))
  await scope.register(pressurePlugin, options)

  scope.addHook('onRequest', (request, reply, done) => {
    const url = request.raw.url as string
    if (!url.startsWith('/')) return done(new InvalidRequestError('the request target must be a path'))
    const path = rewritePath(url, segments, rewritePrefix)
    if (path === undefined) return done(new BadPathError())
    // Throws, and the client is told, where there is no backend.
    const lease = balancer.acquire()
    request.assignment = { lease, path, policy: balancer.policy }
    whenOver(request, reply, () => end(request))
    done()
  })
  // The truth about a lease is with the dispatcher; these are for a request that never got that far.
  scope.addHook('onResponse', (request, _reply, done) => {
    end(request)
    done()
  })
  scope.addHook('onError', (request, _reply, _error, done) => {
    end(request)
    done()
  })

  // Bodies go through as they come.
  const pass = (body: Readable) => (maxBody > 0 ? body.pipe(limit(maxBody)) : body)
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request, payload, done) => done(null, pass(payload)))
  // Fastify refuses a body whose content-type it cannot read. It is the backend's to read.
  const contentTypes = new WeakMap<FastifyRequest, string>()
  scope.addHook('preParsing', (request, _reply, payload, done) => {
    const { headers } = request.raw
    if (headers['content-type'] !== undefined) {
      contentTypes.set(request, headers['content-type'])
      headers['content-type'] = undefined
    }
    done(null, payload)
  })
  scope.addHook('preValidation', (request, _reply, done) => {
    const contentType = contentTypes.get(request)
    if (contentType !== undefined) request.raw.headers['content-type'] = contentType
    done()
  })

  // No `base`, or it would be preferred to getUpstream's answer. No retries: reply-from would repeat a
  // request to the same backend. Its types know only undici's own dispatchers.
  await scope.register(replyFrom, {
    undici: dispatcher,
    retryMethods: [],
    disableRequestLogging: true,
  } as unknown as FastifyReplyFromOptions)

  const handler = (request: FastifyRequest, reply: FastifyReply) => {
    const assignment = request.assignment as Assignment
    const { backend } = assignment.lease
    if (request.body === undefined && hasUnparsedBody(request.raw)) assignment.body = pass(request.raw)
    assignment.flushHead = () => reply.raw.headersSent || reply.raw.flushHeaders()
    // The path goes by the assignment; a constant one here makes reply-from parse one URL for each backend.
    return reply.from('/', {
      getUpstream: () => backend.url,
      rewriteRequestHeaders: (_request, headers) => {
        const forwarded = headers as Record<string | symbol, unknown>
        toBackend(forwarded, request.raw, backend, options)
        forwarded[ASSIGNMENT] = assignment
        return forwarded as typeof headers
      },
      rewriteHeaders: (headers) => {
        toClient(headers as IncomingHttpHeaders)
        // Not before the last of those that a client sent ahead.
        const last = balancer.closing && request.raw.httpVersionMajor === 1 && openOn(request.raw.socket) <= 1
        if (last) headers.connection = 'close'
        return headers
      },
      onError: (_reply, { error }) => reply.send(toGatewayError((error.cause as Error | undefined) ?? error)),
    })
  }
  const method = scope.supportedMethods.filter((name) => name !== 'TRACE' && name !== 'CONNECT')
  // A scope under a prefix has two roots: the prefix itself, and all below it.
  scope.route({ method, url: '/', handler })
  scope.route({ method, url: '/*', handler })
}

/** Nothing is left to do for a client: nothing at all where its backend is done, as it is after a whole answer. */
function end(request: FastifyRequest): void {
  const lease = request.assignment?.lease
  if (lease?.held) lease.cut(new ClientGoneError())
}

/** One line for each request, written when the exchange is over, however it ended. */
function addAccessLog(scope: FastifyInstance, balancer: Balancer): void {
  scope.addHook('onRequest', (request, reply, done) => {
    whenOver(request, reply, () => {
      const lease = request.assignment?.lease
      request.log.info(
        {
          method: request.method,
          path: request.raw.url?.split('?', 1)[0],
          statusCode: reply.raw.headersSent ? reply.raw.statusCode : null,
          aborted: !reply.raw.writableFinished,
          backend: lease?.backend.id ?? null,
          policy: request.assignment?.policy ?? balancer.policy,
          inFlight: lease?.inFlight ?? null,
          attempts: lease ? 1 : 0,
          responseTime: Math.round(reply.elapsedTime * 1000) / 1000,
        },
        'request',
      )
    })
    done()
  })
}

function tooLong(request: FastifyRequest, maxBody: number): FastifyError | undefined {
  const announced = Number(request.headers['content-length'] ?? 0)
  return announced > maxBody ? new BodyTooLargeError(maxBody) : undefined
}

/** Fastify looks for no body with GET and HEAD, and in HTTP/2 only where a type or a length is named. */
function hasUnparsedBody(raw: IncomingMessage | Http2ServerRequest): boolean {
  if ('stream' in raw) return !raw.stream.endAfterHeaders
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = raw.headers
  return length !== '0' || encoding !== undefined
}

/** Counts a body whose length was not announced. */
function limit(maxBody: number): Transform {
  let seen = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length
      if (seen > maxBody) done(new BodyTooLargeError(maxBody))
      else done(null, chunk)
    },
  })
}
