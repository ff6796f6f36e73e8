import type { RateLimitConfig } from '../gateway-config.js'
import { DEFAULT_WINDOW_MS, type RouteValue } from '../schema/route-schema.js'

export function upper(methods: readonly string[]): string[] {
  return [...new Set(methods.filter((method) => method !== undefined).map((method) => method.toUpperCase()))]
}

export function rateLimitOf(given: NonNullable<RouteValue['rateLimit']>): RateLimitConfig {
  const { max, window = DEFAULT_WINDOW_MS, by = 'ip', failOpen = true } = given
  const header = by.slice('header:'.length).toLowerCase()
  return { max, window, by: by === 'ip' ? by : { header }, failOpen }
}

export function pathAdvice(text: string): string {
  if (!text.startsWith('/')) return 'a path begins with a slash'
  if (text.endsWith('/'))
    return `it takes a path without a slash at its end, which matches what is below as well`
  return 'it takes a path without empty segments, dots, a query, and escapes that servers read in different ways'
}

export function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text
}

/** Whether a redirect can lead there. A path that begins with two slashes would name a host. */
export function isTarget(text: string): boolean {
  if (/[^\x21-\x7e]|\\/.test(text)) return false
  if (text.startsWith('/')) return !text.startsWith('//') && !text.includes('#')
  if (!URL.canParse(text)) return false
  const { protocol, username, password, hash } = new URL(text)
  return /^https?:\/\//i.test(text) && /^https?:$/.test(protocol) && !username && !password && !hash
}
