// The gateway and the command line both need these values. They have a file of their own because the command line
// starts faster if it does not load the table of settings.

/**
 * Host on which the admin API listens and to which the command line connects, unless `ADMIN_HOST` names another one.
 */
export const DEFAULT_ADMIN_HOST = '127.0.0.1'

/** Port of the admin API, unless `ADMIN_PORT` names another one. */
export const DEFAULT_ADMIN_PORT = 3001

/** Matches a bearer token: one or more printable ASCII characters without blanks. */
export const TOKEN_PATTERN = /^[\x21-\x7e]+$/
