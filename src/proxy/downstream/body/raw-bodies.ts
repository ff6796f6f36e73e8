import type { Readable } from 'node:stream'
import type { FastifyInstance, preParsingHookHandler } from 'fastify'
import { hasHooks } from '../host-app/hooks.js'
import { protocolOf } from '../protocol-of.js'
import type { BodyLimits } from './body-copy.js'
import { hideContentType, showContentType } from './content-type.js'
import { offer } from './upload.js'

/** Methods whose bodies Fastify parses. */
const PARSED = ['DELETE', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY']

/** Whether Fastify parses the body of requests with a method; a route of ours has either such methods or others only. */
export function isParsed(method: string): boolean {
  return PARSED.includes(method)
}

/**
 * Has the routes of a scope take bodies of any type unparsed, as the stream that preParsing hooks of the app leave.
 * To be called before the routes are added.
 * @param limits of the copy of a body that a hook reads
 */
export function takeBodiesRaw(scope: FastifyInstance, limits: BodyLimits): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (request, payload, done) => {
    showContentType(request)
    offer(request, payload, limits, done)
  })
  const hideType: preParsingHookHandler = (request, _reply, payload, done) => {
    hideContentType(request)
    done(null, payload)
  }
  // Of other methods Fastify parses no body, but hooks have it all the same.
  const lookAtPayload: preParsingHookHandler = (request, _reply, payload, done) => {
    if (payload === request.raw && !protocolOf(request.raw).hasBody(request.raw)) return done(null, payload)
    offer(request, payload as Readable, limits, (error) => done(error, payload))
  }
  // After the hooks that plugins of the app add to each route.
  scope.addHook('onRoute', (route) => {
    const earlier = [route.preParsing ?? []].flat()
    if ([route.method].flat().every(isParsed)) {
      route.preParsing = [...earlier, hideType]
    } else if (earlier.length > 0 || hasHooks(scope, ['preParsing'])) {
      route.preParsing = [...earlier, lookAtPayload]
    }
  })
}
