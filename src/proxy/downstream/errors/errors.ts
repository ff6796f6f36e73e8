import createError from '@fastify/error'
import type { FastifyError, FastifyRequest } from 'fastify'
import { StoppedError } from '../../../balancer/errors.js'
import { type RefusalCode, refusalCodes } from '../../../balancer/stats/refusal-counter.js'
import { diagnose } from '../../upstream/failures/diagnosis.js'
import { exhaustionOf } from '../../upstream/failures/exhaustion.js'
import {
  BackendError,
  BackendTimeoutError,
  HookBodyError,
  isUnsendable,
  UploadStalledError,
  UploadTooLargeError,
} from '../../upstream/failures/failures.js'

/** Errors that only HTTP knows. Fastify sends each as `{ statusCode, code, error, message }`. */
export const BadGatewayError = createError('LEASTWISE_BAD_GATEWAY', '%s', 502)
export const GatewayTimeoutError = createError('LEASTWISE_GATEWAY_TIMEOUT', '%s', 504)
export const OverloadedError = createError('LEASTWISE_OVERLOADED', 'the gateway is overloaded', 503)
/** The gateway has run out of something that each connection to a backend needs, like file descriptors. */
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
export const LoopError = createError('LEASTWISE_LOOP', 'the request came through this gateway before', 508)
export const MethodNotAllowedError = createError('LEASTWISE_METHOD_NOT_ALLOWED', '%s is not passed on', 405)
export const NotImplementedError = createError('LEASTWISE_NOT_IMPLEMENTED', '%s is not understood', 501)
export const VersionError = createError('LEASTWISE_VERSION', 'HTTP/%s is not spoken here', 505)
export const TooManyFieldsError = createError(
  'LEASTWISE_TOO_MANY_FIELDS',
  'the head of the request has too many fields',
  431,
)
const UnsendableError = createError(
  'LEASTWISE_INTERNAL',
  'a hook has set what cannot be sent to a backend: %s',
  500,
)
export const RequestTimeoutError = createError(
  'LEASTWISE_REQUEST_TIMEOUT',
  'the body of the request did not come in time',
  408,
)
export const InvalidRequestError = createError('LEASTWISE_INVALID_REQUEST', '%s', 400)
export const PoolNotFoundError = createError('LEASTWISE_POOL_NOT_FOUND', '%s', 404)
export const UnsupportedMediaTypeError = createError(
  'LEASTWISE_UNSUPPORTED_MEDIA_TYPE',
  'a body must be JSON, and say so: content-type: application/json',
  415,
)
/** A hook of the app has read the body of a request, and there is nothing left to be sent. */
export const BodyReadError = createError('LEASTWISE_BODY_READ', '%s', 500)
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

const refusals: ReadonlySet<string> = new Set(refusalCodes)

/** The code of an error that refuses a request on no account of a backend; undefined for every other error. */
export function refusalCodeOf({ code }: { code?: string }): RefusalCode | undefined {
  return code !== undefined && refusals.has(code) ? (code as RefusalCode) : undefined
}

/** Whether a request was such that what follows on its connection is not to be trusted. */
export function endsConnection({ code, statusCode }: FastifyError): boolean {
  return (
    statusCode === 501 ||
    statusCode === 505 ||
    code === 'LEASTWISE_INVALID_REQUEST' ||
    code === 'LEASTWISE_TOO_MANY_FIELDS' ||
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
  if (cause instanceof UploadStalledError) {
    return cause.isFromHook
      ? new BodyReadError('a hook of the app did not go on with the body of this request in time')
      : new RequestTimeoutError()
  }
  if (cause instanceof HookBodyError) return brokenUpload(cause.cause as Error)
  const lack = exhaustionOf(cause)
  if (lack) return new ExhaustionError(lack.missing)
  if (cause instanceof StoppedError) return Object.assign(cause, { statusCode: 503 })
  if (isUnsendable(cause)) return new UnsendableError(cause.message)
  const { message } = diagnose(cause)
  return cause instanceof BackendTimeoutError
    ? new GatewayTimeoutError(message)
    : new BadGatewayError(message)
}

/** A hook that refuses what a client sends, as by its coding, says so by a status. */
export function brokenUpload(cause: Error & { statusCode?: number }): FastifyError {
  const { statusCode = 500 } = cause
  if (statusCode >= 400 && statusCode < 500) return cause as FastifyError
  const message = "the body that a hook of the app made of this request's broke off"
  return Object.assign(new BodyReadError(message), { cause })
}
