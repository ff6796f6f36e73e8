import { METHODS } from 'node:http'

/**
 * Methods that are passed on to backends: all methods that Node knows except TRACE, which would show a client
 * everything that was added to its request on the way (RFC 9110 section 9.3.8), and CONNECT, which is a method of
 * forward proxies.
 */
export const passedOn: readonly string[] = METHODS.filter((name) => name !== 'TRACE' && name !== 'CONNECT')

/** The methods that are passed on to backends, as the value of an Allow field. */
export const allow = passedOn.join(', ')
