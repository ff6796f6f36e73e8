import type { UnderscoreHeaders } from '../../http/fields.js'
import { nominatedBy } from '../../http/hop-by-hop.js'
import type { TrailerRule } from '../../http/trailers.js'
import { OURS } from './own-fields.js'
import { isToldByProxies } from './untrusted-fields.js'

/**
 * Which trailers of requests are not passed on: those that would not be as fields of the head, either. They come when
 * the app and the proxies before have had their say, so that whoever sends them is never trusted.
 * @returns the rule for a request with that Connection field
 */
export function trailerRules(
  underscoreHeaders: UnderscoreHeaders,
): (connection: string | string[] | undefined) => TrailerRule {
  const isNever: TrailerRule = (name) => {
    if (name.includes('_') && underscoreHeaders === 'drop') return true
    const folded = name.replaceAll('_', '-')
    return folded === 'proxy' || OURS.has(folded) || isToldByProxies(folded)
  }
  return (connection) => {
    const nominated = nominatedBy(connection)
    return nominated ? (name) => nominated.has(name) || isNever(name) : isNever
  }
}
