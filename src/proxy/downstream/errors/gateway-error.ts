import createError from '@fastify/error'
import type { FastifyError } from 'fastify'
import { StoppedError } from '../../../balancer/errors.js'
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
import {
  BadGatewayError,
  BodyReadError,
  BodyTooLargeError,
  ExhaustionError,
  GatewayTimeoutError,
  RequestTimeoutError,
} from './errors.js'

const UnsendableError = createError(
  'LEASTWISE_INTERNAL',
  'a hook has set what cannot be sent to a backend: %s',
  500,
)

/** The error that a client gets for a request to which no backend has responded. */
export function toGatewayError(error: Error): FastifyError {
  const cause = error instanceof BackendError ? (error.cause as Error) : error
  if (cause instanceof UploadTooLargeError) return new BodyTooLargeError(cause.maxBody)
  if (cause instanceof UploadStalledError) {
    return cause.isFromHook
      ? new BodyReadError('a hook of the app did not go on with the body of this request in time')
      : new RequestTimeoutError()
  }
  if (cause instanceof HookBodyError) return brokenBodyError(cause.cause as Error)
  const exhaustion = exhaustionOf(cause)
  if (exhaustion) return new ExhaustionError(exhaustion.missing)
  if (cause instanceof StoppedError) return Object.assign(cause, { statusCode: 503 })
  if (isUnsendable(cause)) return new UnsendableError(cause.message)
  const { message } = diagnose(cause)
  return cause instanceof BackendTimeoutError
    ? new GatewayTimeoutError(message)
    : new BadGatewayError(message)
}

/**
 * The error for a body that a hook made from the client's and that broke off. The hook may set a status on the error to
 * blame the client.
 */
export function brokenBodyError(cause: Error & { statusCode?: number }): FastifyError {
  const { statusCode = 500 } = cause
  if (statusCode >= 400 && statusCode < 500) return cause as FastifyError
  const message = "the body that a hook of the app made of this request's broke off"
  return Object.assign(new BodyReadError(message), { cause })
}
