import type { RouteView } from '../../admin/contract/routes.js'
import { count, decimal } from './format.js'

/** A text that may lead to another page. */
export interface Words {
  text: string
  href?: string
}

/** Returns the requests that a route takes, in one line. */
export function matchText({ host, path, methods, headers, query }: RouteView['match']): string {
  return [
    ...(methods ? [methods.join(', ')] : []),
    `${host ?? ''}${path}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...Object.entries(query).map(([name, value]) => `?${name}=${value}`),
  ].join(' · ')
}

/** Returns the part of each pool in a split. */
export function sharesOf(pools: RouteView['pools']): { pool: string; share: string }[] {
  const all = pools.reduce((sum, { weight }) => sum + weight, 0)
  return pools.map(({ pool, weight }) => ({ pool, share: percentText(all === 0 ? 0 : (100 * weight) / all) }))
}

/** Formats a part that was configured, in percent. */
export function percentText(value: number): string {
  return `${Number.isInteger(value) ? count(value) : decimal(value)} %`
}

/** Returns what a route's plugins do, each with its name, in the order in which they see a request. */
export function pluginTexts({
  allow,
  deny,
  cors,
  rateLimit,
  auth,
  compress,
}: RouteView['plugins']): [name: string, text: string][] {
  const texts: [string, string][] = []
  if (allow) texts.push(['allow', allow.join(', ')])
  if (deny.length > 0) texts.push(['deny', deny.join(', ')])
  if (cors) texts.push(['cors', cors.join(', ')])
  if (rateLimit) {
    const by = rateLimit.by === 'ip' ? 'address' : rateLimit.by
    const uncounted = rateLimit.failOpen ? '' : ', none while they cannot be counted'
    texts.push([
      'rateLimit',
      `${count(rateLimit.max)} requests in ${count(rateLimit.window)} ms by ${by}${uncounted}`,
    ])
  }
  if (auth) texts.push(['auth', auth])
  if (compress) texts.push(['compress', 'responses'])
  return texts
}

/** Returns the changes of header fields in words, one for each kind. */
export function headerTexts({ set, add, remove }: RouteView['headers']['request']): string[] {
  return [
    ...(set.length > 0 ? [`set ${set.join(', ')}`] : []),
    ...(add.length > 0 ? [`add ${add.join(', ')}`] : []),
    ...(remove.length > 0 ? [`remove ${remove.join(', ')}`] : []),
  ]
}

/** Returns how a route rewrites paths; undefined where it does not. */
export function rewriteText({ stripPrefix, rewritePrefix }: RouteView): string | undefined {
  if (stripPrefix === '' && rewritePrefix === '') return undefined
  if (stripPrefix === '') return `${rewritePrefix} is put before the path`
  return rewritePrefix === '' ? `without ${stripPrefix}` : `${rewritePrefix} in place of ${stripPrefix}`
}

/** Returns what a route sets in place of its pool's settings, each as a name and a value. */
export function limitTexts(limits: RouteView['limits']): [name: string, text: string][] {
  const units = { maxBody: ' bytes', retries: '', hedge: '', connect: ' ms', response: ' ms', body: ' ms' }
  return (Object.keys(units) as (keyof typeof units)[]).flatMap((name): [string, string][] => {
    const value = limits[name]
    return value === null ? [] : [[name, `${typeof value === 'number' ? count(value) : value}${units[name]}`]]
  })
}
