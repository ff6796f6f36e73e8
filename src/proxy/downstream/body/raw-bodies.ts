import type { Readable } from 'node:stream'
import type { FastifyInstance, preParsingHookHandler } from 'fastify'
import { hasHooks } from '../host-app/hooks.js'
import { protocolOf } from '../protocol-of.js'
import type { BodyLimits } from './body-copy.js'
import { acceptPayload } from './body-to-send.js'
import { hideContentType, restoreContentType } from './content-type.js'

/** Methods whose bodies Fastify parses. */
const PARSED = ['DELETE', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY']

/** The body limit that Fastify has by default. */
const DEFAULT_BODY_LIMIT_BYTES = 1_048_576

/** Returns the largest body that is copied where a hook reads it, in bytes. */
export function bodyLimitOf({ initialConfig }: FastifyInstance): number {
  return initialConfig.bodyLimit ?? DEFAULT_BODY_LIMIT_BYTES
}

/** Whether Fastify parses bodies of a method. The answer is the same for all methods of one proxied route. */
export function isParsed(method: string): boolean {
  return PARSED.includes(method)
}

/**
 * Makes the routes of a scope accept bodies of any type unparsed, as the stream that preParsing hooks of the app
 * return. Call this before the routes are added.
 * @param limits the limits for the copy of a body that a hook reads
 */
export function takeBodiesRaw(scope: FastifyInstance, limits: BodyLimits): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (request, payload, done) => {
    restoreContentType(request)
    acceptPayload(request, payload, limits, done)
  })
  const hideType: preParsingHookHandler = (request, _reply, payload, done) => {
    hideContentType(request)
    done(null, payload)
  }
  // For other methods Fastify parses no body, but still runs the hooks that may replace the body.
  const offerUnparsed: preParsingHookHandler = (request, _reply, payload, done) => {
    if (payload === request.raw && !protocolOf(request.raw).hasBody(request.raw)) return done(null, payload)
    acceptPayload(request, payload as Readable, limits, (error) => done(error, payload))
  }
  // This hook runs after the hooks that plugins of the app add to each route.
  scope.addHook('onRoute', (route) => {
    const earlier = [route.preParsing ?? []].flat()
    if ([route.method].flat().every(isParsed)) {
      route.preParsing = [...earlier, hideType]
    } else if (earlier.length > 0 || hasHooks(scope, ['preParsing'])) {
      route.preParsing = [...earlier, offerUnparsed]
    }
  })
}
