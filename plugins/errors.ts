import { STATUS_CODES } from 'node:http'
import createError from '@fastify/error'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { diagnose } from '../src/adapters/diagnosis.js'
import { BackendError, BackendTimeoutError, UploadTooLargeError } from '../src/adapters/failures.js'
import { BalancerError, StoppedError } from '../src/balancer/errors.js'
import { type RefusalCode, refusalCodes } from '../src/balancer/refusals.js'
import { isLastAhead } from './exchange.js'
import { endAfter } from './linger.js'
import { isUnread } from './request-body.js'
import { REQUEST_ID, requestIdOf } from './request-id.js'

/** Errors that only HTTP knows. Fastify sends each as `{ statusCode, code, error, message }`. */
export const BadGatewayError = createError('LEASTWISE_BAD_GATEWAY', '%s', 502)
export const GatewayTimeoutError = createError('LEASTWISE_GATEWAY_TIMEOUT', '%s', 504)
export const OverloadedError = createError('LEASTWISE_OVERLOADED', 'the gateway is overloaded', 503)
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
export const LoopError = createError('LEASTWISE_LOOP', 'the request came through this gateway before', 508)
export const MethodNotAllowedError = createError('LEASTWISE_METHOD_NOT_ALLOWED', '%s is not passed on', 405)
export const NotImplementedError = createError('LEASTWISE_NOT_IMPLEMENTED', '%s is not understood', 501)
export const VersionError = createError('LEASTWISE_VERSION', 'HTTP/%s is not spoken here', 505)
export const RequestTimeoutError = createError(
  'LEASTWISE_REQUEST_TIMEOUT',
  'the body of the request did not come in time',
  408,
)
export const InvalidRequestError = createError('LEASTWISE_INVALID_REQUEST', '%s', 400)
export const UnsupportedMediaTypeError = createError(
  'LEASTWISE_UNSUPPORTED_MEDIA_TYPE',
  'a body must be JSON, and say so: content-type: application/json',
  415,
)
const NotFoundError = createError('LEASTWISE_NOT_FOUND', 'there is no %s %s here', 404)
export const NotReadyError = createError('LEASTWISE_NOT_READY', '%s', 503)
export const TooManyReadersError = createError(
  'LEASTWISE_TOO_MANY_READERS',
  'there are %s readers of /events already',
  503,
)
export const UnauthorizedError = createError(
  'LEASTWISE_UNAUTHORIZED',
  'this call needs the header "Authorization: Bearer <token>" with the right token',
  401,
)
export const ForbiddenError = createError('LEASTWISE_FORBIDDEN', '%s', 403)

/** What the core's errors mean to a client. */
const statusCodes: Record<string, number> = {
  LEASTWISE_BACKEND_EXISTS: 409,
  LEASTWISE_BACKEND_NOT_FOUND: 404,
  LEASTWISE_INVALID_BACKEND: 400,
  LEASTWISE_UNKNOWN_POLICY: 400,
  LEASTWISE_NO_BACKEND: 503,
  LEASTWISE_QUEUE_FULL: 503,
  LEASTWISE_QUEUE_TIMEOUT: 503,
  LEASTWISE_STOPPED: 503,
  LEASTWISE_STATE_NOT_SAVED: 503,
}

const refusals: ReadonlySet<string> = new Set(refusalCodes)

/** The code of an error that refuses a request on no account of a backend; undefined for every other error. */
export function refusalCodeOf({ code }: { code?: string }): RefusalCode | undefined {
  return code !== undefined && refusals.has(code) ? (code as RefusalCode) : undefined
}

/** What Fastify's own errors are called here. */
const foreignCodes: Record<number, string> = {
  400: 'LEASTWISE_INVALID_REQUEST',
  413: 'LEASTWISE_BODY_TOO_LARGE',
  415: 'LEASTWISE_UNSUPPORTED_MEDIA_TYPE',
}

/** Seconds a client is asked to wait where nothing better is known. */
const RETRY_AFTER = 1

const codes = new WeakMap<FastifyRequest, string>()

/** The code of the error that a request was answered with by the gateway; undefined where it was not. */
export function codeOf(request: FastifyRequest): string | undefined {
  return codes.get(request)
}

/** Answers in Fastify's shape of an error, whatever the core, a backend or a library threw. */
export function sendError(thrown: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const error = thrown instanceof BackendError ? toGatewayError(thrown) : thrown
  const statusCode =
    error instanceof BalancerError ? (statusCodes[error.code] ?? 502) : (error.statusCode ?? 500)
  // What a backend said of the answer that it did not finish is not true of this one.
  for (const name of Object.keys(request.assignment?.answered?.headers ?? {})) reply.removeHeader(name)
  if (statusCode === 401 && !reply.hasHeader('www-authenticate')) reply.header('www-authenticate', 'Bearer')
  // Nor its phrase.
  if (!('stream' in request.raw)) reply.raw.statusMessage = STATUS_CODES[statusCode] ?? 'Error'
  if (statusCode === 503) {
    reply.header('retry-after', 'retryAfter' in error ? error.retryAfter : RETRY_AFTER)
  }
  // What is left of a body that nobody will read is not worth keeping the connection for: Node would read
  // it to its end.
  if (!('stream' in request.raw) && (isUnread(request.raw) || endsConnection(error))) {
    reply.header('connection', 'close')
    endAfter(request.raw, reply.raw)
  }
  if (request.server.balancer?.endsConnections && isLastAhead(request.raw))
    reply.header('connection', 'close')
  if (statusCode === 500) request.log.error({ err: error }, 'request failed')
  const known = error.code?.startsWith('LEASTWISE_') ? error.code : foreignCodes[statusCode]
  const code = known ?? 'LEASTWISE_INTERNAL'
  codes.set(request, code)
  const message = statusCode === 500 ? 'internal error' : error.message
  // As text: a host app may have serialisers of its own.
  reply
    .code(statusCode)
    .header(REQUEST_ID, requestIdOf(request))
    .header('content-type', 'application/json; charset=utf-8')
    .send(errorBody(statusCode, code, message))
}

/** The body of every error, in Fastify's shape. */
export function errorBody(statusCode: number, code: string, message: string): string {
  return JSON.stringify({ statusCode, code, error: STATUS_CODES[statusCode] ?? 'Error', message })
}

/** Whether a request was such that what follows on its connection is not to be trusted. */
export function endsConnection({ code, statusCode }: FastifyError): boolean {
  return (
    statusCode === 501 ||
    statusCode === 505 ||
    code === 'LEASTWISE_INVALID_REQUEST' ||
    code === 'FST_ERR_BAD_URL'
  )
}

/** The handler of what is not there. */
export async function notFound(request: FastifyRequest): Promise<never> {
  throw new NotFoundError(request.method, request.url.split('?', 1)[0])
}

/** What a client is told of a request that its backend did not answer. */
export function toGatewayError(error: Error): FastifyError {
  const cause = error instanceof BackendError ? (error.cause as Error) : error
  if (cause instanceof UploadTooLargeError) return new BodyTooLargeError(cause.maxBody)
  if (cause instanceof StoppedError) return Object.assign(cause, { statusCode: 503 })
  const { message } = diagnose(cause)
  return cause instanceof BackendTimeoutError
    ? new GatewayTimeoutError(message)
    : new BadGatewayError(message)
}
