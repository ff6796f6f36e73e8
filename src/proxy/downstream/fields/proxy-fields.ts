/**
 * Fields in which a proxy says for whom it sends a request, and under which address, host, scheme or path the proxy
 * itself was asked, or that it sends a copy. Backends may believe these fields, and any client can send them.
 */
const PROXY_FIELDS = new Set([
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'client-ip',
  'fastly-client-ip',
  'forwarded',
  'forwarded-for',
  'front-end-https',
  'proxy-client-ip',
  'remote-addr',
  'true-client-ip',
  'wl-proxy-client-ip',
  'x-appengine-user-ip',
  'x-azure-clientip',
  'x-azure-socketip',
  'x-client-ip',
  'x-client-ssl',
  'x-cluster-client-ip',
  'x-envoy-external-address',
  'x-forwarded',
  'x-original-forwarded-for',
  'x-original-host',
  'x-original-proto',
  'x-original-remote-addr',
  'x-original-uri',
  'x-original-url',
  'x-originating-ip',
  'x-proxyuser-ip',
  'x-leastwise-mirror',
  'x-real-ip',
  'x-real-port',
  'x-remote-addr',
  'x-remote-ip',
  'x-rewrite-url',
  'x-scheme',
  'x-url-scheme',
])

/** Whether only a trusted proxy may send a field. @param name in lower case */
export function isProxyField(name: string): boolean {
  return PROXY_FIELDS.has(name) || name.startsWith('x-forwarded-')
}
