import { ClientGoneError } from '../../../balancer/errors.js'

/** An error between the gateway and a backend, with the reason in `cause`. */
export class BackendError extends Error {
  readonly backend: string

  constructor(backend: string, cause: Error) {
    super(cause.message, { cause })
    this.backend = backend
  }
}

/** The deadline of an attempt's current phase has expired. */
export class BackendTimeoutError extends Error {
  readonly waitingFor: 'connection' | 'request' | 'response' | 'body'

  constructor(waitingFor: BackendTimeoutError['waitingFor']) {
    super(`timed out waiting for the ${waitingFor}`)
    this.waitingFor = waitingFor
  }
}

/** A backend's response is malformed and must not be passed on. */
export class BadResponseError extends Error {}

/** The connection to the backend ended before the response was complete. */
export class TruncatedResponseError extends Error {
  constructor() {
    super('the answer was cut short')
  }
}

/** The backend closed a connection in an orderly way before it had responded. */
export class ClosedError extends Error {
  // Node gives a close that comes too early this code, too.
  readonly code = 'ECONNRESET'

  constructor(message = 'the backend closed the connection') {
    super(message)
  }
}

/** The backend closed a connection without TLS on which it had sent nothing at all. */
export class SilentlyClosedError extends Error {
  readonly code: string | undefined

  constructor(cause: NodeJS.ErrnoException) {
    super(cause.message, { cause })
    this.code = cause.code
  }
}

/** A response is not passed on because of its status, and another backend is asked. */
export class RejectedResponseError extends Error {
  readonly statusCode: number

  constructor(statusCode: number) {
    super(`the backend answered ${statusCode}`)
    this.statusCode = statusCode
  }
}

/** An attempt was dropped, because the other attempt of a hedged request had a response first. */
export class SupersededError extends Error {}

/** The body of a request is larger than the pool's limit. */
export class UploadTooLargeError extends Error {
  readonly maxBody: number

  constructor(maxBody: number) {
    super(`the body of the request is larger than ${maxBody} bytes`)
    this.maxBody = maxBody
  }
}

/** No more of a request's body came in time, although the backend was ready for it. */
export class UploadStalledError extends Error {
  /**
   * True if a hook of the app makes the missing body from the client's body, and the client's body has come completely.
   */
  readonly isFromHook: boolean

  constructor(isMade: boolean) {
    super('the body of the request does not go on')
    this.isFromHook = isMade
  }
}

/** The body that a hook of the app made from the client's body broke, with the reason in `cause`. */
export class HookBodyError extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause })
  }
}

/**
 * The body of a request is not as long as its Content-Length says. Only a hook of the app can have set this field
 * wrong.
 */
export class BodyLengthError extends Error {
  readonly code = 'ERR_HTTP_CONTENT_LENGTH_MISMATCH'

  /** @param announced the Content-Length, in bytes */
  constructor(announced: number) {
    super(`Content-Length is ${announced}, and the body has another length`)
  }
}

/** Returns true if the head or the trailers of a response were larger, or had more fields, than the gateway takes. */
export function isHeadTooLarge(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'HPE_HEADER_OVERFLOW' || code === 'HPE_TOO_MANY_FIELDS'
}

/**
 * Returns true if the HTTP client refuses to send a request, for example because a hook of the app has set a malformed
 * field.
 */
export function isUnsendable(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  return /^ERR_(INVALID_|HTTP_|UNESCAPED_)/.test(code ?? '')
}

/** Returns true if a request failed because of something that the client or the app sent, or stopped sending. */
export function isClientFault(error: Error): boolean {
  return (
    error instanceof ClientGoneError ||
    isUnsendable(error) ||
    error instanceof UploadTooLargeError ||
    error instanceof UploadStalledError ||
    error instanceof HookBodyError
  )
}
