import createError from '@fastify/error'
import { mistakeLine } from '../text/mistake-line.js'
import type { ConfigMistake } from './contract/config.js'

// These are the errors that only the admin API has. The API sends each as `{ statusCode, code, error, message }`.

export const PoolNotFoundError = createError('LEASTWISE_POOL_NOT_FOUND', '%s', 404)
export const RouteNotFoundError = createError('LEASTWISE_ROUTE_NOT_FOUND', 'there is no route "%s"', 404)
export const NoConfigFileError = createError(
  'LEASTWISE_NO_CONFIG_FILE',
  'the gateway runs without a file: CONFIG_FILE is empty',
  409,
)
export const PreconditionFailedError = createError(
  'LEASTWISE_PRECONDITION_FAILED',
  '%s is not as If-Match says: somebody else was faster; read it again',
  412,
)
export const UnsupportedMediaTypeError = createError(
  'LEASTWISE_UNSUPPORTED_MEDIA_TYPE',
  'a body must be JSON, and say so: content-type: application/json',
  415,
)
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

/** The file was not taken; what was in force stays in force. */
export class InvalidConfigError extends createError('LEASTWISE_INVALID_CONFIG', '%s', 400) {
  readonly mistakes: readonly ConfigMistake[]

  /** @param mistakes at least one */
  constructor(mistakes: readonly ConfigMistake[]) {
    const [first] = mistakes
    const others = mistakes.length > 1 ? `, and ${mistakes.length - 1} more` : ''
    super(`the file was not taken: ${first ? mistakeLine(first) : 'it has mistakes'}${others}`)
    this.mistakes = mistakes
  }
}
