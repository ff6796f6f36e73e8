import { METHODS } from 'node:http'

/**
 * Methods that are passed on: all that Node knows. Not TRACE, which would show a client what was added to its
 * request on the way (RFC 9110 section 9.3.8), and not CONNECT, which is for proxies of another kind.
 */
export const passedOn: readonly string[] = METHODS.filter((name) => name !== 'TRACE' && name !== 'CONNECT')

/** The same as an Allow field. */
export const allow = passedOn.join(', ')
