// Both the process and the command line need these. They stand alone, as the command line starts faster without the settings.

/** Host on which the admin API listens, and to which the command line connects, unless `ADMIN_HOST` says otherwise. */
export const DEFAULT_ADMIN_HOST = '127.0.0.1'

/** Port of the admin API, unless `ADMIN_PORT` says otherwise. */
export const DEFAULT_ADMIN_PORT = 3001

/** Matches a bearer token: printable ASCII without blanks. */
export const TOKEN_PATTERN = /^[\x21-\x7e]+$/
