import { createHash } from 'node:crypto'

/** Longest value of a field that is part of a key as it is; of a longer one its hash is. */
const MAX_VALUE_CHARACTERS = 64

/**
 * What requests are counted under.
 * @param route name of the route, so that routes have counts of their own
 * @param limit the limit in a few characters: another limit begins with a new count
 * @param client what tells clients apart
 */
export function rateLimitKey(route: string, limit: string, client: string): string {
  return `${route}\n${limit}\n${client}`
}

/** The route whose requests are counted under a key. Names of routes have no line break. */
export function routeOfKey(key: string): string {
  return key.slice(0, key.indexOf('\n'))
}

/** The client that sends a value of a field. */
export function clientByValue(value: string): string {
  if (value.length <= MAX_VALUE_CHARACTERS) return `value ${value}`
  return `hash ${createHash('sha256').update(value).digest('base64url')}`
}

/**
 * The client that has an address. An IPv6 client counts by the first 64 bits, as it can choose the others.
 * @param units the address with one character for each 16 bits; undefined where it is not known
 */
export function clientByAddress(units: string | undefined): string {
  if (units === undefined) return 'unknown'
  let text = ''
  for (let i = 0; i < Math.min(units.length, 4); i++)
    text += units.charCodeAt(i).toString(16).padStart(4, '0')
  return units.length === 2 ? `v4 ${text}` : `v6 ${text}`
}
