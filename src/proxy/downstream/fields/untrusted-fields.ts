import type { IncomingHttpHeaders } from 'node:http'

/**
 * Fields in which proxies say for whom they ask, by which address, host, scheme or path. Anybody else may write anything
 * into them, and backends may believe it.
 */
const TOLD_BY_PROXIES = new Set([
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
  'x-real-ip',
  'x-real-port',
  'x-remote-addr',
  'x-remote-ip',
  'x-rewrite-url',
  'x-scheme',
  'x-url-scheme',
])

/** Whether a field, by its name in lower case, is one of them. */
export function isToldByProxies(name: string): boolean {
  return TOLD_BY_PROXIES.has(name) || name.startsWith('x-forwarded-')
}

/** A set of names of fields. */
export type Names = Pick<ReadonlySet<string>, 'has'>

export const everyName: Names = { has: () => true }

/** By the fields of a request: which of them its client is not trusted to send. */
const guarded = new WeakMap<IncomingHttpHeaders, Names>()

/** Names of fields that have a setter, which notices a hook that sets one, to the same value as well. */
class WatchedNames extends Set<string> {}

/**
 * Marks fields as sent by a client that is not trusted to send them. Hooks can still read them.
 * @param isWatched whether hooks may set some of them, which are not marked any more then, also where the value is the same
 */
export function guardFields(
  headers: IncomingHttpHeaders,
  names: readonly string[],
  isWatched: boolean,
): void {
  if (isWatched) for (const name of names) watch(headers, name)
  guarded.set(headers, isWatched ? new WatchedNames(names) : new Set(names))
}

/** Marks every field as sent by a client that is not trusted. */
export function guardEverything(headers: IncomingHttpHeaders): void {
  guarded.set(headers, everyName)
}

function watch(headers: IncomingHttpHeaders, name: string): void {
  const value = headers[name]
  Object.defineProperty(headers, name, {
    enumerable: true,
    configurable: true,
    get: () => value,
    set(own: unknown) {
      Object.defineProperty(headers, name, {
        enumerable: true,
        configurable: true,
        writable: true,
        value: own,
      })
    },
  })
}

/**
 * The marked fields that no hook has set since; undefined where none was marked, as with most requests.
 * @param added fields that the app has set elsewhere
 */
export function untrustedFields(headers: IncomingHttpHeaders, added: object | undefined): Names | undefined {
  const names = guarded.get(headers)
  if (!(names instanceof WatchedNames)) return names
  for (const name of names) {
    const isSet = Object.getOwnPropertyDescriptor(headers, name)?.get === undefined
    if (isSet || (added && Object.hasOwn(added, name))) names.delete(name)
  }
  return names
}
