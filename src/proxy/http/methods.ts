import { METHODS } from 'node:http'

/**
 * Methods that are passed on: all that Node knows but TRACE, which would show a client what was added to its request on
 * the way (RFC 9110 section 9.3.8), and CONNECT, which is a method of forward proxies.
 */
export const passedOn: readonly string[] = METHODS.filter((name) => name !== 'TRACE' && name !== 'CONNECT')

/** These methods as an Allow field. */
export const allow = passedOn.join(', ')
