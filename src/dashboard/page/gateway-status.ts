import type { RouteView } from '../../admin/contract/routes.js'
import type { CounterRates } from './counter-rates.js'
import { count, decimal, percent } from './format.js'
import type { NamedPool } from './gateway-poll.js'
import type { Status } from './status-banner.js'

/** The part of a route's requests, from 0 to 1, that may fail before the page shows a warning. */
const TOLERABLE_FAILURES = 0.01

export type PoolCounter = 'requests' | 'refused'
export type RouteCounter = 'total' | 'failed' | 'refused'

/** The status of all pools of a gateway. */
export function gatewayStatusOf(pools: readonly NamedPool[], rates: CounterRates<PoolCounter>): Status {
  const bad: string[] = []
  const warnings: string[] = []
  const out = pools.filter(({ eligible }) => eligible === 0)
  const refusing = pools.filter(({ name }) => rates.of(name, 'refused') > 0)
  if (refusing.length > 0) {
    const sum = refusing.reduce((all, { name }) => all + rates.of(name, 'refused'), 0)
    bad.push(`${decimal(sum)} requests a second get 503 now, in ${names(refusing)}.`)
  }
  if (out.length > 0) bad.push(`No usable backend in ${names(out)}: requests there are answered 503.`)
  if (pools.some(({ closing }) => closing)) warnings.push('The gateway shuts down.')
  const away = pools.find(({ store }) => store?.away)?.store
  if (away) warnings.push(`${away.name} does not answer: requests go on, and changes are refused.`)
  const panicking = pools.filter(({ panic }) => panic)
  if (panicking.length > 0) bad.push(`Too few healthy backends in ${names(panicking)}.`)
  const waiting = pools.filter(({ queue }) => queue.length > 0)
  if (waiting.length > 0) warnings.push(`Requests wait in ${names(waiting)}: every backend is at its limit.`)
  const partly = pools.filter(({ eligible, backends }) => eligible > 0 && eligible < backends)
  if (partly.length > 0) warnings.push(`Some backends get no requests in ${names(partly)}.`)
  if (bad.length > 0) return { level: 'bad', lines: [...bad, ...warnings] }
  if (warnings.length > 0) return { level: 'warning', lines: warnings }
  const all = pools.length === 1 ? 'The one pool takes' : `All ${count(pools.length)} pools take`
  return { level: 'good', lines: [`${all} requests.`] }
}

/** The status of one route, by its requests of the last five seconds. */
export function routeStatusOf({ name }: RouteView, rates: CounterRates<RouteCounter>): Status {
  const total = rates.of(name, 'total')
  const failed = rates.of(name, 'failed')
  const refused = rates.of(name, 'refused')
  const lines = refused > 0 ? [`${percent(refused / total)} of requests are refused here.`] : []
  if (failed > TOLERABLE_FAILURES * total)
    return { level: 'bad', lines: [`${percent(failed / total)} of requests fail at a backend.`, ...lines] }
  if (lines.length > 0) return { level: 'warning', lines }
  return {
    level: 'good',
    lines: [total === 0 ? 'No request came in the last 5 s.' : 'Requests are answered.'],
  }
}

function names(pools: readonly NamedPool[]): string {
  const all = pools.map(({ name }) => name)
  return all.length > 4 ? `${all.slice(0, 3).join(', ')} and ${count(all.length - 3)} more` : all.join(', ')
}
