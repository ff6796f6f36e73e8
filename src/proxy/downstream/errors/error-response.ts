import { STATUS_CODES } from 'node:http'
import {
  errorCodes,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { BalancerError } from '../../../balancer/errors.js'
import { warn } from '../../../balancer/observer-guard.js'
import { contextOf } from '../../context.js'
import { BackendError } from '../../upstream/failures/failures.js'
import { protocolOf } from '../protocol-of.js'
import { REQUEST_ID, requestIdOf } from '../request/request-id.js'
import { ExhaustionError, endsConnection } from './errors.js'
import { toGatewayError } from './gateway-error.js'

/** The status for each error of the core. */
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

/** The codes under which Fastify's own errors are sent, by status. */
const frameworkCodes: Record<number, string> = {
  400: 'LEASTWISE_INVALID_REQUEST',
  413: 'LEASTWISE_BODY_TOO_LARGE',
  415: 'LEASTWISE_UNSUPPORTED_MEDIA_TYPE',
}

/** Retry-After of a 503 for which the core has computed no value. */
const RETRY_AFTER_S = 1

/** The value that a hook of an app throws, which may be of any type. */
interface Thrown {
  code?: unknown
  statusCode?: unknown
  status?: unknown
  message?: unknown
  headers?: unknown
  name?: unknown
  retryAfter?: unknown
}

const codes = new WeakMap<FastifyRequest, string>()

/** The code of the error that was sent as the answer to a request; undefined where no error was sent. */
export function codeOf(request: FastifyRequest): string | undefined {
  return codes.get(request)
}

/**
 * Fastify's error handler: sends what the core, a backend, a library or a hook of the app threw as an error in Fastify's
 * shape.
 * @param details further fields of the body
 */
export function sendError(
  thrown: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  details?: object,
): void {
  const error = errorOf(thrown)
  const statusCode = statusOf(error, request, reply)
  prepareReply(error, statusCode, request, reply)
  // The body is sent as text, because the app may have serialisers of its own.
  reply
    .code(statusCode)
    .header('content-type', 'application/json; charset=utf-8')
    .send(bodyOf(error, statusCode, details))
}

/**
 * Makes an error handler that calls the app's error handler, whenever that was or will be set. Before the call it
 * removes what a backend has set, ends the connection where necessary, and gives errors of the gateway their status.
 */
export function errorsOf(app: FastifyInstance): typeof sendError {
  const inherited = app.errorHandler
  return (thrown, request, reply) => {
    const error = errorOf(thrown)
    const statusCode = statusOf(error, request, reply)
    prepareReply(error, statusCode, request, reply)
    if (ownCode(error) !== undefined) {
      // Errors of the core have no HTTP status, so it is added here.
      if (error instanceof BalancerError) Object.assign(error, { statusCode })
      reply.code(statusCode)
    }
    // For an error thrown here Fastify calls the handler that this one replaced; it would not find a handler that the
    // app sets later.
    const { errorHandler } = app
    if (errorHandler === inherited) throw thrown instanceof BackendError ? error : thrown
    return errorHandler(error as FastifyError, request, reply)
  }
}

/** The body of an error of the gateway, in Fastify's shape. @param details further fields */
export function errorBody(statusCode: number, code: unknown, message: string, details?: object): string {
  return JSON.stringify({
    statusCode,
    code,
    error: STATUS_CODES[statusCode] ?? 'Error',
    message,
    ...details,
  })
}

function errorOf(thrown: unknown): Thrown {
  if (thrown instanceof BackendError) return toGatewayError(thrown) as Thrown
  return (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Thrown
}

function ownCode({ code }: Thrown): string | undefined {
  return typeof code === 'string' && code.startsWith('LEASTWISE_') ? code : undefined
}

/**
 * The status of an error: its own, otherwise the one that was set on the reply. Fastify's own handler does the same.
 */
function statusOf(error: Thrown, request: FastifyRequest, reply: FastifyReply): number {
  if (error instanceof BalancerError) return statusCodes[error.code] ?? 502
  for (const status of [error.statusCode, error.status]) if (isFailure(status)) return status
  // Once a backend has responded, the status of the reply is that of its response.
  return !contextOf(request)?.responseHead && isFailure(reply.statusCode) ? reply.statusCode : 500
}

function isFailure(status: unknown): status is number {
  return typeof status === 'number' && status >= 400 && status <= 599
}

/** Whether the message of an error is hidden from clients. */
function isHidden(error: Thrown, statusCode: number): boolean {
  return statusCode === 500 && ownCode(error) === undefined
}

/**
 * Prepares the reply for an error, whoever writes the body: sets the fields that the error needs, ends the connection
 * where necessary, and notes the code.
 */
function prepareReply(error: Thrown, statusCode: number, request: FastifyRequest, reply: FastifyReply): void {
  const context = contextOf(request)
  const protocol = protocolOf(request.raw)
  if (context?.responseHead) {
    // These fields and the reason phrase belong to a response that its backend did not finish.
    for (const name of Object.keys(context.responseHead.headers)) reply.removeHeader(name)
    protocol.dropReason(reply)
  }
  if (ownCode(error) !== undefined) {
    if (statusCode === 401 && !reply.hasHeader('www-authenticate')) reply.header('www-authenticate', 'Bearer')
    if (statusCode === 503) {
      reply.header('retry-after', error.retryAfter === undefined ? RETRY_AFTER_S : String(error.retryAfter))
    }
  } else if (typeof error.headers === 'object' && error.headers !== null) {
    reply.headers(error.headers as Record<string, string>)
  }
  protocol.stopUpload(reply, endsConnection(error as FastifyError) || error instanceof ExhaustionError)
  if (request.server.balancer?.endsConnections) protocol.announceClose(reply)
  if (statusCode === 500) logFailure(request, error)
  codes.set(request, codeFor(error, statusCode) ?? String(error.name ?? 'Error'))
  reply.header(REQUEST_ID, requestIdOf(request))
}

function logFailure(request: FastifyRequest, error: Thrown): void {
  try {
    request.log.error({ err: error }, 'request failed')
  } catch (thrown) {
    // A logger that throws must not keep the client from its response.
    warn(thrown)
  }
}

function codeFor(error: Thrown, statusCode: number): string | undefined {
  const { code } = error
  const known = ownCode(error)
  if (known !== undefined) return known
  if (statusCode === 500) return 'LEASTWISE_INTERNAL'
  const framework = typeof code === 'string' && Object.hasOwn(errorCodes, code)
  if (framework && frameworkCodes[statusCode] !== undefined) return frameworkCodes[statusCode]
  return typeof code === 'string' || typeof code === 'number' ? String(code) : undefined
}

function bodyOf(error: Thrown, statusCode: number, details?: object): string {
  if (isHidden(error, statusCode)) return errorBody(statusCode, 'LEASTWISE_INTERNAL', 'internal error')
  // Fastify sends an object that is not an Error unchanged.
  if (!(error instanceof Error)) {
    try {
      return JSON.stringify(error)
    } catch {
      // A value that cannot be written as JSON is handled like an Error.
    }
  }
  return errorBody(statusCode, codeFor(error, statusCode), String(error.message ?? ''), details)
}
