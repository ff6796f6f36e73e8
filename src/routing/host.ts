/**
 * The host of a Host field or of an authority, as routes name it: in lower case, without port and without the dot that
 * may end a name. An address of IPv6 stays in its brackets. Empty where there is none.
 */
export function routeHost(authority: string | undefined): string {
  if (authority === undefined) return ''
  const colon = authority.lastIndexOf(':')
  const host = colon > authority.lastIndexOf(']') ? authority.slice(0, colon) : authority
  return (host.endsWith('.') ? host.slice(0, -1) : host).toLowerCase()
}
