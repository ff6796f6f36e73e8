import createError from '@fastify/error'

// These are the errors that only the admin API has. The API sends each as `{ statusCode, code, error, message }`.

export const PoolNotFoundError = createError('LEASTWISE_POOL_NOT_FOUND', '%s', 404)
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
