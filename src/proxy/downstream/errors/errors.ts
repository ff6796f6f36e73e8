import createError from '@fastify/error'
import type { FastifyError, FastifyRequest } from 'fastify'
import { type RefusalCode, refusalCodes } from '../../../balancer/stats/refusals.js'

// Each of these errors is sent as `{ statusCode, code, error, message }`.

export const BadGatewayError = createError('LEASTWISE_BAD_GATEWAY', '%s', 502)
export const GatewayTimeoutError = createError('LEASTWISE_GATEWAY_TIMEOUT', '%s', 504)
export const OverloadedError = createError('LEASTWISE_OVERLOADED', 'the gateway is overloaded', 503)
/** The gateway has run out of a resource that every connection to a backend needs, for example file descriptors. */
export const ExhaustionError = createError('LEASTWISE_OVERLOADED', 'the gateway has no %s', 503)
export const BodyTooLargeError = createError(
  'LEASTWISE_BODY_TOO_LARGE',
  'the request body is larger than %s bytes',
  413,
)
export const BadPathError = createError(
  'LEASTWISE_BAD_PATH',
  'the path leads out of the prefix of the backend',
  400,
)
/** Servers differ in which path they read in a target, so that a backend might read one that another route is for. */
export const AmbiguousPathError = createError(
  'LEASTWISE_BAD_PATH',
  'the path is malformed, or may be read as the path of another route',
  400,
)
export const NoRouteError = createError('LEASTWISE_NO_ROUTE', 'no route takes %s %s', 404)
export const LoopError = createError('LEASTWISE_LOOP', 'the request came through this gateway before', 508)
export const MethodNotAllowedError = createError('LEASTWISE_METHOD_NOT_ALLOWED', '%s is not passed on', 405)
export const NotImplementedError = createError('LEASTWISE_NOT_IMPLEMENTED', '%s is not understood', 501)
export const VersionError = createError('LEASTWISE_VERSION', 'HTTP/%s is not spoken here', 505)
export const TooManyFieldsError = createError(
  'LEASTWISE_TOO_MANY_FIELDS',
  'the head of the request has too many fields',
  431,
)
export const RequestTimeoutError = createError(
  'LEASTWISE_REQUEST_TIMEOUT',
  'the body of the request did not come in time',
  408,
)
/** The credentials of a request are missing or not valid. WWW-Authenticate says what is needed. */
export const UnauthorizedError = createError('LEASTWISE_UNAUTHORIZED', '%s', 401)
export const KeysUnavailableError = createError(
  'LEASTWISE_KEYS_UNAVAILABLE',
  'the keys that verify tokens cannot be fetched now',
  503,
)
export const InvalidRequestError = createError('LEASTWISE_INVALID_REQUEST', '%s', 400)
/** A hook of the app has read the body of a request, and left nothing to send in its place. */
export const BodyReadError = createError('LEASTWISE_BODY_READ', '%s', 500)
/** A list of the route says that the address of the client may not use it. */
export const ForbiddenError = createError('LEASTWISE_FORBIDDEN', 'this address may not use the route', 403)
export const RateLimitedError = createError(
  'LEASTWISE_RATE_LIMITED',
  'too many requests; try again in %s seconds',
  429,
)
/** The request cannot be counted, and the route lets no request pass uncounted. */
export const RateLimitUnavailableError = createError(
  'LEASTWISE_RATE_LIMIT_UNAVAILABLE',
  'requests cannot be counted for the rate limit now',
  503,
)
const NotFoundError = createError('LEASTWISE_NOT_FOUND', 'there is no %s %s here', 404)
const refusalCodeSet: ReadonlySet<string> = new Set(refusalCodes)

/**
 * The code of an error by which the gateway refuses a request for a reason that lies in the gateway; undefined for
 * every other error.
 */
export function refusalCodeOf({ code }: { code?: string }): RefusalCode | undefined {
  return code !== undefined && refusalCodeSet.has(code) ? (code as RefusalCode) : undefined
}

/** Whether after an error the gateway cannot tell where the request ends, so that the connection has to be closed. */
export function endsConnection({ code, statusCode }: FastifyError): boolean {
  return (
    statusCode === 501 ||
    statusCode === 505 ||
    code === 'LEASTWISE_INVALID_REQUEST' ||
    code === 'LEASTWISE_TOO_MANY_FIELDS' ||
    code === 'FST_ERR_BAD_URL'
  )
}

/** Fastify's handler for requests that no route takes. */
export async function notFound(request: FastifyRequest): Promise<never> {
  throw new NotFoundError(request.method, request.url.split('?', 1)[0])
}
