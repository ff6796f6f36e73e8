import { errors } from 'undici'
import { ClientGoneError } from '../../../balancer/errors.js'

/** What went wrong between us and a backend, in `cause`. */
export class BackendError extends Error {
  readonly backend: string

  constructor(backend: string, cause: Error) {
    super(cause.message, { cause })
    this.backend = backend
  }
}

/** A backend did not do in time what it had to do next. */
export class BackendTimeoutError extends Error {
  readonly waitingFor: 'connection' | 'request' | 'response' | 'body'

  constructor(waitingFor: BackendTimeoutError['waitingFor']) {
    super(`timed out waiting for the ${waitingFor}`)
    this.waitingFor = waitingFor
  }
}

/** What a backend sent is not an answer that may be passed on. */
export class BadResponseError extends Error {}

/** The connection ended before the answer did. */
export class CutShortError extends Error {
  constructor() {
    super('the answer was cut short')
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

/** What a backend answered is not passed on: another one may do better. */
export class RejectedResponseError extends Error {
  constructor(statusCode: number) {
    super(`the backend answered ${statusCode}`)
  }
}

/** An attempt is not needed any more: the other one was faster. */
export class LateError extends Error {}

/** A client sends more than it may. */
export class UploadTooLargeError extends Error {
  readonly maxBody: number

  constructor(maxBody: number) {
    super(`the body of the request is larger than ${maxBody} bytes`)
    this.maxBody = maxBody
  }
}

/** Nothing more came of the body of a request in time, and the backend waits for it. */
export class UploadStalledError extends Error {
  /** Whether it is not the client that is waited for, but what a hook of the app makes of what it sent. */
  readonly isMade: boolean

  constructor(isMade: boolean) {
    super('the body of the request does not go on')
    this.isMade = isMade
  }
}

/** What a hook of the app made of a request's body broke, for the reason in `cause`. */
export class UploadBrokenError extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause })
  }
}

/** The body of a request is not as long as its Content-Length says, which only a hook of the app can have set so. */
export class WrongLengthError extends Error {
  readonly code = 'ERR_HTTP_CONTENT_LENGTH_MISMATCH'

  /** @param announced bytes */
  constructor(announced: number) {
    super(`Content-Length is ${announced}, and the body has another length`)
  }
}

/** Whether an answer's head, or its trailers, were larger than the gateway takes. */
export function isHeadTooLarge(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'HPE_HEADER_OVERFLOW' || code === 'UND_ERR_HEADERS_OVERFLOW'
}

/** Whether a request has something in it that no HTTP client would send, as fields can have that a hook has set. */
export function isUnsendable(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  return error instanceof errors.InvalidArgumentError || /^ERR_(INVALID_|HTTP_|UNESCAPED_)/.test(code ?? '')
}

/** Whether a request failed on account of what the client or the app sent, or stopped sending. */
export function isClientsDoing(error: Error): boolean {
  return (
    error instanceof ClientGoneError ||
    isUnsendable(error) ||
    error instanceof UploadTooLargeError ||
    error instanceof UploadStalledError ||
    error instanceof UploadBrokenError
  )
}
