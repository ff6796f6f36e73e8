/** An error with which the admin API responds. */
interface ErrorCode {
  statusCode: number
  /** The condition under which the API responds with this error, phrased as a clause that follows the word "when". */
  when: string
  /** An example of the message of this error. */
  message: string
}

/**
 * Every error with which a call of the admin API can end. The API's description is generated from this table, and a
 * test looks for error codes in the source that are missing here.
 */
export const errorCodes = {
  LEASTWISE_INVALID_REQUEST: {
    statusCode: 400,
    when: 'the request is not as described; the message names the field and what it takes',
    message: 'body.maxConnections must be a whole number from 0 to 1000000, or null',
  },
  LEASTWISE_INVALID_BACKEND: {
    statusCode: 400,
    when: 'the url or the id is not one that a backend can have; the message names the field',
    message: 'url must not have a path',
  },
  LEASTWISE_INVALID_CONFIG: {
    statusCode: 400,
    when: "the gateway's file has mistakes, or cannot be put in force; `mistakes` has all of them, and what was in force stays so",
    message:
      'the file was not taken: gateway.yaml:12:7 routes[0].pool: there is no pool "user"; did you mean "users"?',
  },
  LEASTWISE_UNAUTHORIZED: {
    statusCode: 401,
    when: 'the token is missing or wrong',
    message: 'this call needs the header "Authorization: Bearer <token>" with the right token',
  },
  LEASTWISE_FORBIDDEN: {
    statusCode: 403,
    when: 'no token is set, and the request names no loopback host or comes from another origin',
    message: 'without ADMIN_TOKEN only requests to a loopback address are answered',
  },
  LEASTWISE_BACKEND_NOT_FOUND: {
    statusCode: 404,
    when: 'no backend has this id',
    message: 'there is no backend with id "c"',
  },
  LEASTWISE_POOL_NOT_FOUND: {
    statusCode: 404,
    when: 'no pool has this name, or the path names none and there are several',
    message: 'there is no pool "users"',
  },
  LEASTWISE_ROUTE_NOT_FOUND: {
    statusCode: 404,
    when: 'no route has this name',
    message: 'there is no route "users"',
  },
  LEASTWISE_NOT_FOUND: {
    statusCode: 404,
    when: 'there is no such call',
    message: 'there is no GET /nothing here',
  },
  LEASTWISE_BACKEND_EXISTS: {
    statusCode: 409,
    when: 'the id or the url is registered already',
    message: 'a backend with id "c" is registered already',
  },
  LEASTWISE_NO_CONFIG_FILE: {
    statusCode: 409,
    when: 'the gateway runs without a file, from its environment',
    message: 'the gateway runs without a file: CONFIG_FILE is empty',
  },
  LEASTWISE_PRECONDITION_FAILED: {
    statusCode: 412,
    when: 'the request has `If-Match`, and what it would change has another `ETag` by now; nothing was changed',
    message: 'backend "c" is not as If-Match says: somebody else was faster; read it again',
  },
  LEASTWISE_BODY_TOO_LARGE: {
    statusCode: 413,
    when: 'the body is larger than 1 MiB, or than the app around this API allows',
    message: 'Request body is too large',
  },
  LEASTWISE_UNSUPPORTED_MEDIA_TYPE: {
    statusCode: 415,
    when: 'there is a body that is not `application/json`',
    message: 'a body must be JSON, and say so: content-type: application/json',
  },
  LEASTWISE_INTERNAL: {
    statusCode: 500,
    when: 'something failed that should not; the log has the reason',
    message: 'internal error',
  },
  LEASTWISE_STATE_NOT_SAVED: {
    statusCode: 503,
    when: 'the change could not be stored; the message says whether it is in force and stored later, or nothing was changed, as where gateways share the store, or what the store has counts',
    message:
      'the change is in force, and not stored: STATE_FILE "/var/lib/leastwise/state.json" cannot be written: ENOSPC: no space left on device',
  },
  LEASTWISE_TOO_MANY_READERS: {
    statusCode: 503,
    when: 'as many read the events as may',
    message: 'there are 100 readers of /events already',
  },
  LEASTWISE_NOT_READY: {
    statusCode: 503,
    when: 'no backend is usable, or the gateway shuts down; the message says which',
    message: 'no usable backend',
  },
} as const satisfies Record<string, ErrorCode>

export type AdminErrorCode = keyof typeof errorCodes
