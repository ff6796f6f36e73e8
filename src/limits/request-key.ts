import type { RateLimitConfig } from '../config/file/gateway-config.js'
import { addressUnits } from '../proxy/http/address-units.js'
import { clientByAddress, clientByValue, rateLimitKey } from './rate-limit-key.js'

/**
 * What a request to a route is counted under.
 * @param route name of the route
 * @param headers the request's fields, by name in lower case
 * @param addressOf returns the address of the client; undefined where it is not known
 */
export function requestKey(
  route: string,
  { max, window, by }: RateLimitConfig,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  addressOf: () => string | undefined,
): string {
  const value = by === 'ip' ? undefined : headers[by.header]
  const client =
    value === undefined ? clientByAddress(addressUnits(addressOf() ?? '')) : clientByValue(String(value))
  return rateLimitKey(route, `${max}/${window}`, client)
}
