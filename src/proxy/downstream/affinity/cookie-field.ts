import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'

/** Returns the values of the cookies of this name, in their order (RFC 6265 section 4.2.1). */
export function cookiesNamed(field: string, name: string): string[] {
  const values: string[] = []
  for (const pair of field.split(';')) {
    const start = startOf(pair)
    if (isNamed(pair, start, name)) values.push(pair.slice(start + name.length + 1).trim())
  }
  return values
}

/**
 * Removes the cookies of this name from the fields of a request. Every other cookie stays as it is, byte for byte; a
 * line without any other cookie is removed.
 */
export function removeCookies(raw: IncomingMessage, name: string): void {
  const { headers, rawHeaders } = raw
  const { cookie } = headers
  if (cookie === undefined) return
  const rest = withoutCookies(cookie, name)
  if (rest === cookie) return
  let kept = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const field = rawHeaders[i] as string
    const value = rawHeaders[i + 1] as string
    const left = field.length === 6 && field.toLowerCase() === 'cookie' ? withoutCookies(value, name) : value
    if (left === '' && value !== '') continue
    rawHeaders[kept++] = field
    rawHeaders[kept++] = left
  }
  rawHeaders.length = kept
  if (rest === '') delete headers.cookie
  else headers.cookie = rest
}

/** Removes the cookies of this name also from fields that a hook of the app has set, perhaps as a copy of the client's. */
export function removeCookiesOfApp(request: FastifyRequest, name: string): void {
  const { additionalHeaders } = request as { additionalHeaders?: IncomingHttpHeaders }
  const cookie = additionalHeaders?.cookie
  if (additionalHeaders && typeof cookie === 'string')
    additionalHeaders.cookie = withoutCookies(cookie, name) || undefined
}

/** Returns a Cookie field without the cookies of this name. */
function withoutCookies(field: string, name: string): string {
  if (!field.includes(name)) return field
  const pairs = field.split(';')
  const others = pairs.filter((pair) => !isNamed(pair, startOf(pair), name))
  if (others.length === pairs.length) return field
  const rest = others.join(';')
  // The first of the others may follow the blank that separated it from one that was removed.
  return others[0] === pairs[0] ? rest : rest.slice(startOf(rest))
}

/** Returns the index of the first character that is no blank. */
function startOf(text: string): number {
  let start = 0
  while (text[start] === ' ' || text[start] === '\t') start++
  return start
}

function isNamed(pair: string, start: number, name: string): boolean {
  return pair.startsWith(name, start) && pair[start + name.length] === '='
}
