import { isIPv4, isIPv6 } from 'node:net'
import proxyAddr from '@fastify/proxy-addr'
import type { FastifyInstance } from 'fastify'
import type { Peer } from './peer.js'

/**
 * Returns how many proxies in a row are trusted: 0 if the peer is not trusted, otherwise the number of the trusted
 * proxies that the peer names, plus one for the peer.
 * @param before the addresses of the nodes through which the request came, as the peer says, the nearest first
 */
export type Trust = (peer: Peer, before: readonly string[]) => number

/**
 * The setting that says who is trusted: everybody (true), nobody (false), a number of proxies in a row, or a list of
 * addresses and ranges.
 */
export type TrustSetting = boolean | number | string | readonly string[]

/**
 * Largest number of proxies in a row that can be trusted. A setting accepts no larger number, and if the setting is a
 * list, no more addresses than this are compared.
 */
export const MAX_TRUSTED_HOPS = 100

const trustNobody: Trust = () => 0

/**
 * Makes the function that applies a setting.
 * @throws {TypeError} if a list has an entry that is neither an address nor a range
 */
export function trustOf(setting: TrustSetting): Trust {
  if (setting === true) return (_peer, before) => before.length + 1
  if (typeof setting === 'number') return (_peer, before) => Math.min(setting, before.length + 1)
  if (setting === false) return trustNobody
  const list = typeof setting === 'string' ? setting.split(',').map((entry) => entry.trim()) : [...setting]
  const isTrusted = proxyAddr.compile(list.flatMap(halvesOfAll))
  return ({ address }, before) => {
    if (address === undefined || !isTrusted(address, 0)) return 0
    const most = Math.min(before.length, MAX_TRUSTED_HOPS)
    for (let hop = 0; hop < most; hop++) {
      if (!isTrusted(before[hop] as string, hop + 1)) return hop + 1
    }
    return most + 1
  }
}

/**
 * Returns the range of all addresses (`0.0.0.0/0`, `::/0`) as two halves, because @fastify/proxy-addr does not accept a
 * length of 0. Any other entry is returned as it is.
 */
function halvesOfAll(entry: string): readonly string[] {
  const [address = '', length] = entry.split('/')
  if (length !== '0') return [entry]
  if (isIPv4(address)) return ['0.0.0.0/1', '128.0.0.0/1']
  return isIPv6(address) ? ['::/1', '8000::/1'] : [entry]
}

/**
 * An address reserved for documentation (RFC 5737), which stands for a client in front of all the proxies that are
 * checked.
 */
const ANY_CLIENT = '192.0.2.1'

/**
 * Makes a function that trusts the proxies which the option `trustProxy` of the app trusts. Fastify does not expose the
 * option, but `request.ips` has the addresses that the option trusts, so these addresses are counted for a made-up
 * request. If that is not possible, no proxy is trusted.
 */
export function trustOfApp(app: FastifyInstance): Trust {
  const prototype = requestPrototype(app)
  if (!prototype || !('ips' in prototype)) return trustNobody
  return ({ remoteAddress }, before) => {
    const chain = [ANY_CLIENT, ...before.slice(0, MAX_TRUSTED_HOPS).reverse()].join(', ')
    const raw = { headers: { 'x-forwarded-for': chain }, socket: { remoteAddress } }
    const { ips } = Object.create(prototype, { raw: { value: raw } }) as { ips: string[] }
    return ips.length - 1
  }
}

function requestPrototype(app: FastifyInstance): object | undefined {
  for (let object: object | null = app; object; object = Object.getPrototypeOf(object)) {
    const symbol = Object.getOwnPropertySymbols(object).find(
      ({ description }) => description === 'fastify.Request',
    )
    if (symbol) return (object as Record<symbol, { prototype?: object }>)[symbol]?.prototype
  }
  return undefined
}
