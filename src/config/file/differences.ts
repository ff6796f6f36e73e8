import { isDeepStrictEqual } from 'node:util'
import type { ConfigView } from './config-view.js'
import type { GatewayConfig } from './gateway-config.js'

/** A part of the configuration that is another one. */
export interface ConfigDifference {
  kind: 'added' | 'changed' | 'removed'
  what: 'pool' | 'route' | 'listener' | 'setting'
  /** Name of the pool, the route or the setting; `host:port` of a listener. */
  name: string
  /** For a part that is changed, the names of its fields that are others. */
  fields?: string[]
}

type Parts = Record<ConfigDifference['what'], ReadonlyMap<string, unknown>>

/** What another configuration adds, changes and removes: settings, listeners, pools and routes, in this order. */
export function differences(before: GatewayConfig, after: GatewayConfig): ConfigDifference[] {
  return compare(partsOf(before), partsOf(after))
}

/** The same for two configurations in the words of the file, which have no secrets. */
export function viewDifferences(before: ConfigView, after: ConfigView): ConfigDifference[] {
  return compare(partsOfView(before), partsOfView(after))
}

function partsOf({ workers, admin, listen, pools, routes }: GatewayConfig): Parts {
  return {
    setting: new Map(Object.entries({ workers, admin })),
    listener: listeners(listen),
    pool: new Map(pools.map(({ name, settings }) => [name, settings])),
    route: new Map((routes ?? []).map((route) => [route.name, route])),
  }
}

function partsOfView({ workers, admin, listen, pools, routes = [] }: ConfigView): Parts {
  return {
    setting: new Map(Object.entries({ workers, admin })),
    listener: listeners(listen as { host?: unknown; port?: unknown }[]),
    pool: new Map(Object.entries(pools)),
    route: new Map(routes.map((route) => [String(route.name), route])),
  }
}

function listeners(list: readonly { host?: unknown; port?: unknown }[]): Map<string, unknown> {
  const parts = new Map<string, unknown>()
  for (const listener of list) {
    const host = String(listener.host)
    const address = `${host.includes(':') ? `[${host}]` : host}:${listener.port}`
    // Several may ask for any free port.
    let name = address
    for (let i = 2; parts.has(name); i++) name = `${address} (${i})`
    parts.set(name, listener)
  }
  return parts
}

function compare(before: Parts, after: Parts): ConfigDifference[] {
  const found: ConfigDifference[] = []
  for (const what of ['setting', 'listener', 'pool', 'route'] as const) {
    for (const [name, value] of after[what]) {
      const old = before[what].get(name)
      if (old === undefined) found.push({ kind: 'added', what, name })
      else if (!isDeepStrictEqual(old, value))
        found.push({ kind: 'changed', what, name, ...fieldsOf(old, value) })
    }
    for (const name of before[what].keys())
      if (!after[what].has(name)) found.push({ kind: 'removed', what, name })
  }
  return found
}

/** The fields in which two objects differ. */
function fieldsOf(before: unknown, after: unknown): { fields?: string[] } {
  if (!isObject(before) || !isObject(after)) return {}
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return { fields: [...names].filter((name) => !isDeepStrictEqual(before[name], after[name])) }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
