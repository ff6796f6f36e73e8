// Both the process and the command line need these. They stand alone, as the command line starts faster without the settings.

/** Where the admin API listens, and where the command line looks for it, unless `ADMIN_HOST` says otherwise. */
export const DEFAULT_ADMIN_HOST = '127.0.0.1'

/** Its port there, unless `ADMIN_PORT` says otherwise. */
export const DEFAULT_ADMIN_PORT = 3001

/** What a bearer token may be: printable ASCII without blanks. */
export const TOKEN_PATTERN = /^[\x21-\x7e]+$/
